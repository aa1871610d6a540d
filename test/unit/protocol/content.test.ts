import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { DataReader } from '../../../src/protocol/data-reader.ts';
import { DotStuffer } from '../../../src/protocol/dot-stuffer.ts';
import { LineEndings } from '../../../src/protocol/line-endings.ts';
import { cut } from '../cut.ts';

/** Octets in which CR, LF and dots are frequent: where the mistakes are. */
const octets = fc
  .array(fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', '\r\n.\r', 'x', 'yz', '\0', 'é'), {
    maxLength: 60,
  })
  .map((words) => Buffer.from(words.join('')));
const cuts = fc.array(fc.nat(120), { maxLength: 20 });

function readData(pieces: readonly Buffer[]): { content: Buffer; rest: Buffer | undefined } {
  const reader = new DataReader();
  const content: Buffer[] = [];
  for (const [index, piece] of pieces.entries()) {
    const rest = reader.read(piece, (one) => content.push(one));
    if (rest !== undefined) {
      return { content: Buffer.concat(content), rest: Buffer.concat([rest, ...pieces.slice(index + 1)]) };
    }
  }
  return { content: Buffer.concat(content), rest: undefined };
}

function normalise(pieces: readonly Buffer[]): { content: Buffer; sawStray: boolean } {
  const endings = new LineEndings();
  const content: Buffer[] = [];
  for (const piece of pieces) endings.write(piece, (one) => content.push(one));
  endings.end((one) => content.push(one));
  return { content: Buffer.concat(content), sawStray: endings.sawStray };
}

function stuff(pieces: readonly Buffer[]): Buffer {
  const stuffer = new DotStuffer();
  const content: Buffer[] = [];
  for (const piece of pieces) stuffer.write(piece, (one) => content.push(one));
  return Buffer.concat([...content, stuffer.end()]);
}

/** RFC 5321 §4.5.2 in two regular expressions, to hold the state machine against. */
function readDataPlainly(stream: string): { content: string; rest: string | undefined } {
  const framed = `\r\n${stream}`;
  const end = framed.indexOf('\r\n.\r\n');
  const lines = end < 0 ? framed : framed.slice(0, end + 2);
  return {
    content: lines.replaceAll('\r\n.', '\r\n').slice(2),
    rest: end < 0 ? undefined : framed.slice(end + 5),
  };
}

test('ends a message at CRLF.CRLF only, and gives what follows, however the octets are cut', () => {
  fc.assert(
    fc.property(octets, octets, cuts, (body, next, at) => {
      const stream = Buffer.concat([body, Buffer.from('\r\n.\r\n'), next]);
      const expected = readDataPlainly(stream.toString('latin1'));
      const { content, rest } = readData(cut(stream, at));
      assert.equal(content.toString('latin1'), expected.content);
      assert.equal(rest?.toString('latin1'), expected.rest);
    }),
    { numRuns: 2_000 },
  );
});

test('holds back nothing but a dot and its CR at the start of a line', () => {
  fc.assert(
    fc.property(octets, cuts, (body, at) => {
      const stream = Buffer.concat([body, Buffer.from('z')]);
      const expected = readDataPlainly(stream.toString('latin1'));
      if (expected.rest !== undefined) return;
      const { content, rest } = readData(cut(stream, at));
      assert.equal(rest, undefined);
      assert.equal(content.toString('latin1'), expected.content);
    }),
    { numRuns: 2_000 },
  );
});

test('reads back what was stuffed', () => {
  fc.assert(
    fc.property(octets, cuts, cuts, (body, at, back) => {
      const { content } = normalise([body]);
      const closed = content.length === 0 || content.toString('latin1').endsWith('\r\n') ? '' : '\r\n';
      const { content: read, rest } = readData(cut(stuff(cut(content, at)), back));
      assert.equal(read.toString('latin1'), content.toString('latin1') + closed);
      assert.equal(rest?.length, 0);
    }),
    { numRuns: 2_000 },
  );
});

test('lets no CR or LF out but as CRLF, and changes nothing else', () => {
  fc.assert(
    fc.property(octets, cuts, (body, at) => {
      const { content, sawStray } = normalise(cut(body, at));
      const expected = body
        .toString('latin1')
        .replaceAll(/\r\n|\r|\n/g, (ending) => (ending === '\r' ? ' ' : '\r\n'));
      assert.equal(content.toString('latin1'), expected);
      assert.equal(sawStray, expected !== body.toString('latin1'));
    }),
    { numRuns: 2_000 },
  );
});

test('shows no end of message to a reader that takes any line ending for one', () => {
  fc.assert(
    fc.property(octets, cuts, (body, at) => {
      const sent = stuff(cut(normalise(cut(body, at)).content, at)).toString('latin1');
      const ends = [...`\r\n${sent}`.matchAll(/(?:\r\n|\r|\n)\.(?=\r|\n)/g)];
      assert.equal(ends.length, 1);
      assert.ok(sent.endsWith('.\r\n'));
    }),
    { numRuns: 2_000 },
  );
});

test('ends an empty message with a lone dot', () => {
  assert.equal(stuff([]).toString(), '.\r\n');
  assert.deepEqual(readData([Buffer.from('.\r\nQUIT\r\n')]), {
    content: Buffer.alloc(0),
    rest: Buffer.from('QUIT\r\n'),
  });
});

test('passes views of what it was given, not copies, when nothing has to be mended', () => {
  const body = Buffer.from('one\r\ntwo\r\nthree');
  const seen: Buffer[] = [];
  new DataReader().read(body, (one) => seen.push(one));
  new LineEndings().write(body, (one) => seen.push(one));
  new DotStuffer().write(body, (one) => seen.push(one));
  assert.equal(seen.length, 3);
  assert.ok(seen.every((one) => one.buffer === body.buffer && one.length === body.length));
});
