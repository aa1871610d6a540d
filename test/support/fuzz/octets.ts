/**
 * Octets to fuzz with, as strings of latin1: samples that were damaged, and noise.
 */
import fc from 'fast-check';

/** What parsers stumble over. */
const NASTY: readonly string[] = [
  '\r',
  '\n',
  '\r\n',
  '\r\n.\r\n',
  '\n.\n',
  '\r.\r',
  '.',
  '..',
  '\0',
  '\t',
  ' ',
  '\xff',
  '\xc3',
  '\xe2\x80\xae',
  '"',
  '\\',
  '<',
  '>',
  '(',
  ')',
  ',',
  ';',
  ':',
  '@',
  '=',
  '-',
  '2',
  '250-',
  '250 ',
  '354 ',
  '\r\nRSET\r\n',
  '\r\nDATA\r\n',
  'x'.repeat(2_100),
];

interface Edit {
  readonly at: number;
  readonly length: number;
  readonly by: string;
}

const noise: fc.Arbitrary<string> = fc
  .uint8Array({ maxLength: 200 })
  .map((octets) => Buffer.from(octets).toString('latin1'));

const piece: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...NASTY) },
  noise.map((text) => text.slice(0, 8)),
);

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.oneof(fc.constant(0), fc.nat({ max: 12 })),
  by: fc.oneof({ weight: 4, arbitrary: piece }, fc.constant('')),
});

/** A sample with some places damaged, two samples in one another, or noise. */
export function damaged(samples: readonly string[]): fc.Arbitrary<string> {
  const sample = fc.constantFrom(...samples);
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(sample, fc.array(edit, { maxLength: 4 }))
        .map(([text, edits]) => edits.reduce(apply, text)),
    },
    fc
      .tuple(sample, sample, fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([one, other, at]) => apply(one, { at, length: 0, by: other })),
    fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
    noise,
  );
}

function apply(text: string, { at, length, by }: Edit): string {
  const from = Math.floor(at * (text.length + 1));
  return text.slice(0, from) + by + text.slice(from + length);
}

/** Where octets are cut on their way. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  maxLength: 6,
});

/** The octets in pieces. */
export function cut(octets: Buffer, at: readonly number[]): readonly Buffer[] {
  const places = [...new Set([0, ...at.map((one) => Math.floor(one * octets.length)), octets.length])];
  const sorted = places.toSorted((one, other) => one - other);
  return sorted.slice(1).map((end, index) => octets.subarray(sorted[index] ?? 0, end));
}

export function octetsOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
