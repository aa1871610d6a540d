import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { HEADER_BLOCK_OCTETS } from '../../../src/protocol/limits.ts';
import { HeaderBlock } from '../../../src/relay/header-block.ts';
import { cut } from '../cut.ts';

function read(text: string, at: readonly number[] = []): HeaderBlock {
  const header = new HeaderBlock();
  for (const piece of cut(Buffer.from(text), at)) if (!header.isWhole) header.add(piece);
  return header;
}

test('finds fields by name, in any case, folded or with blanks before the colon', () => {
  const header = read(
    'DATE: x\r\nSubject: a\r\n Received: folded\r\nMessage-Id : y\r\n\r\nReceived: body\r\n',
  );
  assert.equal(header.isWhole, true);
  assert.deepEqual([header.has('date'), header.has('message-id'), header.has('subject')], [true, true, true]);
  assert.equal(header.receivedCount, 0);
});

test('finds the same in however many pieces it comes', () => {
  const name = fc.constantFrom('Received', 'Date', 'X-Other', 'message-id', ' folded', 'From', '');
  fc.assert(
    fc.property(fc.array(name, { maxLength: 12 }), fc.array(fc.nat(200)), (names, at) => {
      const text = `${names.map((one) => (one === '' ? '\r\n' : `${one}: v\r\n`)).join('')}\r\nbody\r\n`;
      const [whole, pieces] = [read(text), read(text, at)];
      assert.equal(pieces.isWhole, whole.isWhole);
      assert.equal(pieces.receivedCount, whole.receivedCount);
      for (const field of ['date', 'message-id', 'x-other'])
        assert.equal(pieces.has(field), whole.has(field));
      assert.ok(Buffer.from(text).subarray(0, pieces.octets.length).equals(pieces.octets));
    }),
  );
});

test('ends at a line that is no field, so that a message without a header is not held', () => {
  const header = read('hello world\r\nDate: in the body\r\n');
  assert.equal(header.isWhole, true);
  assert.equal(header.has('date'), false);
});

test('goes on behind the envelope line of an mbox file', () => {
  assert.equal(read('From a@b Sun Nov 22 09:30:00 2026\r\nDate: x\r\n\r\n').has('date'), true);
});

test('tells how long the envelope line of an mbox file is, with what is folded to it', () => {
  const line = 'From a@b Sun Nov 22 09:30:00 2026\r\n';
  assert.equal(read(`${line}Date: x\r\n y\r\n\r\n`).envelopeLineOctets, line.length);
  assert.equal(read(`>${line} y\r\nDate: x\r\n\r\n`).envelopeLineOctets, line.length + 5);
  for (const none of [`Date: x\r\n ${line}${line}\r\n`, ` ${line}\r\n`, 'From: a@b\r\n\r\n'])
    assert.equal(read(none).envelopeLineOctets, 0);
});

test('counts Received fields', () => {
  assert.equal(read(`${'Received: x\r\n\ty\r\n'.repeat(7)}\r\n`).receivedCount, 7);
});

test('is too big only beyond its bound, and only as long as it is not whole', () => {
  const line = `X: ${'y'.repeat(995)}\r\n`;
  const lines = Math.floor(HEADER_BLOCK_OCTETS / line.length);
  assert.equal(read(line.repeat(lines)).isTooBig, false);
  assert.equal(read(line.repeat(lines + 1)).isTooBig, true);
  assert.equal(read(`X: y\r\n\r\n${'z'.repeat(HEADER_BLOCK_OCTETS)}`).isTooBig, false);
});
