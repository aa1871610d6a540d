import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { REPLY_LINE_OCTETS, REPLY_LINES } from '../../../src/protocol/limits.ts';
import { ReplyReader, ReplySyntaxError, type ReplyFault } from '../../../src/protocol/reply-reader.ts';
import type { Reply } from '../../../src/protocol/reply.ts';
import { cut } from '../cut.ts';

const text = fc.stringMatching(/^[ -~]{0,60}$/);
const reply = fc.record(
  { code: fc.integer({ min: 200, max: 599 }), lines: fc.array(text, { minLength: 1, maxLength: 9 }) },
  { noNullPrototype: true },
);

function wire({ code, lines }: Reply): string {
  return lines.map((line, index) => `${code}${index === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
}

function readAll(pieces: readonly Buffer[]): Reply[] {
  const reader = new ReplyReader();
  return pieces.flatMap((piece) => [...reader.read(piece)]);
}

function faultOf(octets: string | Buffer): ReplyFault | undefined {
  try {
    readAll([Buffer.from(octets)]);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ReplySyntaxError);
    return error.reason;
  }
}

test('reads the same replies however the octets are cut', () => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 5 }), fc.array(fc.nat(400)), (replies, cuts) => {
      const octets = Buffer.from(replies.map(wire).join(''));
      assert.deepEqual(readAll(cut(octets, cuts)), replies);
    }),
  );
});

test('never gives anything but whole printable replies with a legal code, whatever comes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(300)), (octets, cuts) => {
      const replies: Reply[] = [];
      const reader = new ReplyReader();
      try {
        for (const piece of cut(Buffer.from(octets), cuts)) replies.push(...reader.read(piece));
      } catch (error) {
        assert.ok(error instanceof ReplySyntaxError);
      }
      for (const { code, lines } of replies) {
        assert.ok(code >= 200 && code <= 599);
        assert.ok(lines.every((line) => !/\p{Cc}/u.test(line)));
      }
    }),
  );
});

test('knows whether an octet of an unfinished reply is held', () => {
  const reader = new ReplyReader();
  assert.equal(reader.isEmpty, true);
  assert.deepEqual([...reader.read(Buffer.from('250-one\r\n'))], []);
  assert.equal(reader.isEmpty, false);
  assert.equal([...reader.read(Buffer.from('250 two\r\n'))].length, 1);
  assert.equal(reader.isEmpty, true);
  assert.deepEqual([...reader.read(Buffer.from('2'))], []);
  assert.equal(reader.isEmpty, false);
});

test('takes a reply without text', () => {
  assert.deepEqual(readAll([Buffer.from('250\r\n')]), [{ code: 250, lines: [''] }]);
});

test('refuses what is not a reply, and says how', () => {
  const cases: readonly [string, ReplyFault][] = [
    ['hello\r\n', 'bad-code'],
    ['\r\n', 'bad-code'],
    ['199 x\r\n', 'bad-code'],
    ['600 x\r\n', 'bad-code'],
    ['25 x\r\n', 'bad-code'],
    ['2500 x\r\n', 'bad-code'],
    ['250_x\r\n', 'bad-code'],
    ['250 x\n', 'bare-cr-or-lf'],
    ['250 x\ry\r\n', 'bare-cr-or-lf'],
    ['250 x\0\r\n', 'nul'],
    ['250-x\r\n251 y\r\n', 'codes-differ'],
    [`250 ${'x'.repeat(REPLY_LINE_OCTETS)}\r\n`, 'line-too-long'],
    ['x'.repeat(REPLY_LINE_OCTETS + 1), 'line-too-long'],
    ['250-x\r\n'.repeat(REPLY_LINES + 1), 'too-many-lines'],
  ];
  for (const [octets, fault] of cases)
    assert.equal(faultOf(octets), fault, JSON.stringify(octets.slice(0, 40)));
});

test('takes a reply of the longest line and the most lines allowed', () => {
  const line = 'x'.repeat(REPLY_LINE_OCTETS - 6);
  assert.equal(readAll([Buffer.from(`250 ${line}\r\n`)])[0]?.lines[0], line);
  const many = `${'250-x\r\n'.repeat(REPLY_LINES - 1)}250 y\r\n`;
  assert.equal(readAll([Buffer.from(many)])[0]?.lines.length, REPLY_LINES);
});

test('makes text printable', () => {
  const octets = Buffer.from('250 \u001b[31mred\u202e\u200b\u0007 grün\t.\r\n');
  assert.deepEqual(readAll([octets])[0]?.lines, ['?[31mred??? grün .']);
});
