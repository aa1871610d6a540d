import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { LineBreaks } from '../../../src/protocol/line-breaks.ts';

const octet = fc.oneof(fc.constantFrom(0x0d, 0x0a), fc.nat(255), fc.integer({ min: 0x20, max: 0x7e }));

test('finds each CR and LF and nothing else, wherever in memory the octets begin', () => {
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 50 }), fc.nat(7), (values, offset) => {
      const octets = Buffer.alloc(offset + values.length + 9, '\n').subarray(offset, offset + values.length);
      octets.set(values);
      const breaks = new LineBreaks(octets);
      const found: number[] = [];
      for (let at = breaks.next(0); at < octets.length; at = breaks.next(at + 1)) found.push(at);
      const expected = [...values.keys()].filter((at) => values[at] === 0x0d || values[at] === 0x0a);
      assert.deepEqual(found, expected);
    }),
    { numRuns: 3_000 },
  );
});

test('finds the next one from any octet on', () => {
  const octets = Buffer.from('one two\r\nthree four five six\nseven\r');
  for (let from = 0; from <= octets.length; from += 1) {
    const rest = octets
      .subarray(from)
      .toString('latin1')
      .search(/[\r\n]/);
    assert.equal(new LineBreaks(octets).next(from), rest < 0 ? octets.length : from + rest);
  }
});
