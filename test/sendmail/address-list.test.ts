import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';
import addressparser from 'nodemailer/lib/addressparser';

import { AddressSyntaxError, localPart, parseAddressList } from '../../src/protocol/address-list.ts';

const LISTS: readonly (readonly [string, readonly string[]])[] = [
  ['', []],
  ['root', ['root']],
  ['root, Joe <joe@x.test>', ['root', 'joe@x.test']],
  ['a@x.test,b@y.test', ['a@x.test', 'b@y.test']],
  [' A <a@x.test> ,\r\n\t"B, C" <b@y.test>,\r\n c@z.test\r\n', ['a@x.test', 'b@y.test', 'c@z.test']],
  ['root (Cron Daemon)', ['root']],
  ['a@x.test (Ann (née "Bell") \\) evil@z.test)', ['a@x.test']],
  ['=?utf-8?Q?M=C3=BCller=2C_evil=40z=2Etest?= <a@x.test>', ['a@x.test']],
  ['Müller <a@x.test>', ['a@x.test']],
  ['M\ufffdller <a@x.test>', ['a@x.test']],
  ['"evil@z.test" <a@x.test>', ['a@x.test']],
  ['"a@x.test, evil@z.test" <c@y.test>', ['c@y.test']],
  ['"<evil@z.test>" <a@x.test>', ['a@x.test']],
  ['a@x.test <a@x.test>', ['a@x.test']],
  ['"evil@z.test"@x.test', ['"evil@z.test"@x.test']],
  ['"a\\@b"@x.test', ['"a@b"@x.test']],
  ['"a \\"b\\" c"@x.test', ['"a \\"b\\" c"@x.test']],
  ['"plain"@x.test', ['plain@x.test']],
  ['<"a>b"@x.test>', ['"a>b"@x.test']],
  ['A <@relay.test,@other.test:a@x.test>', ['a@x.test']],
  ['Team: A <a@x.test>, b@y.test;, c@z.test', ['a@x.test', 'b@y.test', 'c@z.test']],
  ['undisclosed-recipients:;', []],
  ['undisclosed-recipients:', []],
  ['a@x.test; b@y.test', ['a@x.test', 'b@y.test']],
  ['a@[192.0.2.1], b@[IPv6:2001:db8::1]', ['a@[192.0.2.1]', 'b@[IPv6:2001:db8::1]']],
  ['ü@x.test', ['ü@x.test']],
  ['a..b.@x.test', ['a..b.@x.test']],
  ['a @ x.test', ['a@x.test']],
  ['a@x.test,,b@y.test,', ['a@x.test', 'b@y.test']],
];

/** What parsers made for showing mail guess at. */
const REFUSED: readonly string[] = [
  'John Doe',
  'a@x.test b@y.test',
  'a . b@x.test',
  'Dr. a@x.test',
  '<a@x.test> b@y.test',
  '<a@x.test> <b@y.test>',
  '<a@x.test',
  'a@x.test>',
  '<a <b@y.test>>',
  '"open <a@x.test>, b@y.test',
  '(open a@x.test',
  'a) b@x.test',
  'a@x@y.test',
  '@x.test',
  'a@',
  '<>',
  'a@x.test: b@y.test;',
  '=?utf-8?Q?Doe, John?= <a@x.test>',
  'a\\@b@x.test',
  'a@x\0.test',
  'm\ufffdller@x.test',
  'a@x.test\nb@y.test',
  `${'a'.repeat(600)}@x.test`,
];

/** All that means something in a list, and a few letters. */
const SYNTAX = 'ab@x.,;:<>()[]"\\ '.split('');

describe('address lists', () => {
  for (const [text, addresses] of LISTS) {
    test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parseAddressList(text), addresses));
  }
  for (const text of REFUSED) {
    test(`refuses ${JSON.stringify(text.slice(0, 50))} instead of guessing`, () =>
      assert.throws(() => parseAddressList(text), AddressSyntaxError));
  }

  test('reads what a list says as a parser of others does, whatever is in names, comments and quotes', () => {
    fc.assert(
      fc.property(list(), ({ text, addresses }) => {
        assert.deepEqual(parseAddressList(text), addresses);
        assert.deepEqual(
          addressparser(text, { flatten: true }).map(({ address }) => address),
          addresses,
        );
      }),
    );
  });

  test('gives no address that is not in the text, whatever the text', () => {
    const octets = fc.string({ unit: fc.constantFrom(...SYNTAX, '\r', '\n', '='), maxLength: 60 });
    fc.assert(
      fc.property(octets, (text) => {
        let addresses: readonly string[] = [];
        try {
          addresses = parseAddressList(text);
        } catch (error) {
          assert.ok(error instanceof AddressSyntaxError);
        }
        for (const address of addresses) {
          const letters = address.replaceAll(/[^ab@x.]/g, '');
          assert.ok(isWithin(letters, text), `${address} is not in ${JSON.stringify(text)}`);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test('needs time in proportion to the text', () => {
    for (const hard of ['(', '<', '"', '\\', 'a@x,', 'a.', '"\\"', ',', ' ']) {
      try {
        parseAddressList(hard.repeat(1_000_000 / hard.length));
      } catch (error) {
        assert.ok(error instanceof AddressSyntaxError);
      }
    }
  });
});

/** Whether the text has these letters in this order, with others between them or not. */
function isWithin(letters: string, text: string): boolean {
  let at = 0;
  for (const letter of text) if (letter === letters[at]) at += 1;
  return at === letters.length;
}

interface Written {
  readonly text: string;
  readonly addresses: readonly string[];
}

function list(): fc.Arbitrary<Written> {
  return fc.array(mailbox(), { minLength: 1, maxLength: 5 }).map((all) => ({
    text: all.map(({ text }) => text).join(',\r\n '),
    addresses: all.flatMap(({ addresses }) => addresses),
  }));
}

function mailbox(): fc.Arbitrary<Written> {
  const atom = fc.stringMatching(/^[a-z0-9!#$%&*+/=?^_`{|}~-]{1,8}$/);
  const inQuotes = fc.string({ unit: fc.constantFrom(...SYNTAX), minLength: 1, maxLength: 12 });
  const local = fc.oneof(
    atom,
    inQuotes.map((text) => localPart(`"${text}`)),
  );
  const address = fc.tuple(local, atom).map(([name, domain]) => `${name}@${domain}.test`);
  const quoted = inQuotes.map((text) => `"${text.replace(/["\\]/g, '\\$&')}" `);
  const comment = inQuotes.map((text) => ` (${text.replace(/[()\\]/g, '\\$&')})`);
  const name = fc.oneof(
    atom.map((text) => `${text} `),
    quoted,
    fc.constant(''),
  );
  return fc.tuple(name, address, fc.oneof(comment, fc.constant(''))).map(([before, one, after]) => ({
    text: `${before}<${one}>${after}`,
    addresses: [one],
  }));
}
