import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { PATH_OCTETS } from '../../../src/protocol/limits.ts';
import { parsePathArgument, type PathArgument, type PathFault } from '../../../src/protocol/path.ts';

function parse(text: string | Buffer, keyword: 'FROM' | 'TO' = 'FROM'): PathArgument | PathFault {
  const result = parsePathArgument(Buffer.from(text), keyword);
  return 'ok' in result ? result.ok : result.fault;
}

function pathOf(text: string, keyword: 'FROM' | 'TO' = 'FROM'): string {
  const result = parse(text, keyword);
  return typeof result === 'string' ? result : result.path;
}

test('takes the forms that clients write', () => {
  const forms: readonly [string, string][] = [
    ['FROM:<a@b>', '<a@b>'],
    ['from:<a@b>', '<a@b>'],
    ['FROM: <a@b>', '<a@b>'],
    ['FROM :\t<a@b>  ', '<a@b>'],
    ['FROM:a@b', '<a@b>'],
    ['FROM: a@b SIZE=1', '<a@b>'],
    ['FROM:<>', '<>'],
    ['FROM:<root>', '<root>'],
    ['FROM:root', '<root>'],
    ['FROM:<"a b"@c.d>', '<"a b"@c.d>'],
    ['FROM:<"a@b"@c.d>', '<"a@b"@c.d>'],
    ['FROM:<"a\\"> b"@c.d>', '<"a\\"> b"@c.d>'],
    ['FROM:<user.@c.d>', '<user.@c.d>'],
    ['FROM:<a@my_host.local>', '<a@my_host.local>'],
    ['FROM:<a@[127.0.0.1]>', '<a@[127.0.0.1]>'],
    ['FROM:<a@xn--bcher-kva.example>', '<a@xn--bcher-kva.example>'],
    ['FROM:<@r1.test,@r2.test:a@b>', '<a@b>'],
  ];
  for (const [text, path] of forms) assert.equal(pathOf(text), path, text);
});

test('refuses what is no address', () => {
  const forms: readonly [string, PathFault][] = [
    ['', 'syntax'],
    ['FROM', 'syntax'],
    ['FROM:', 'syntax'],
    ['TO:<a@b>', 'syntax'],
    ['FROM:<a@b', 'syntax'],
    ['FROM:<a b@c>', 'syntax'],
    ['FROM:<a@b>SIZE=1', 'syntax'],
    ['FROM:<<a@b>>', 'syntax'],
    ['FROM:<"a@b>', 'syntax'],
    ['FROM:<a\rb@c>', 'bad-octets'],
    ['FROM:<a\0b@c>', 'bad-octets'],
    ['FROM:<a\u0085b@c>', 'bad-octets'],
    [`FROM:<${'a'.repeat(PATH_OCTETS)}@b>`, 'too-long'],
    ['FROM:<a@b> SIZE=1 size=2', 'bad-parameter'],
    ['FROM:<a@b> =', 'bad-parameter'],
    ['FROM:<a@b> <c@d>', 'bad-parameter'],
  ];
  for (const [text, fault] of forms) assert.equal(parse(text), fault, JSON.stringify(text.slice(0, 40)));
  assert.equal(parse('TO:<>', 'TO'), 'syntax');
  assert.equal(parse(Buffer.from([...Buffer.from('FROM:<'), 0xff, ...Buffer.from('@b>')])), 'bad-octets');
});

test('keeps parameters as they were written', () => {
  const argument = parse('FROM:<a@b> size=12 BODY=8bitmime SMTPUTF8 ENVID=a+2Bb AUTH=<>');
  assert.ok(typeof argument !== 'string');
  assert.deepEqual(
    argument.parameters.map(({ keyword, value, text }) => [keyword, value, text]),
    [
      ['SIZE', '12', 'size=12'],
      ['BODY', '8bitmime', 'BODY=8bitmime'],
      ['SMTPUTF8', undefined, 'SMTPUTF8'],
      ['ENVID', 'a+2Bb', 'ENVID=a+2Bb'],
      ['AUTH', '<>', 'AUTH=<>'],
    ],
  );
});

test('tells an internationalised address', () => {
  const argument = parse('FROM:<grün@bücher.example>');
  assert.ok(typeof argument !== 'string');
  assert.equal(argument.isInternational, true);
  assert.equal(argument.path, '<grün@bücher.example>');
});

test('gives a path that is safe on a command line, or a fault, whatever comes', () => {
  const words = fc.constantFrom(
    '<',
    '>',
    '"',
    '\\',
    '@',
    ':',
    ',',
    ' ',
    '\t',
    '\r',
    '\n',
    '\0',
    'a',
    'é',
    'FROM:',
    '=',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
      const argument = parse(`FROM:${parts.join('')}`);
      if (typeof argument === 'string') return;
      assert.match(argument.path, /^<.*>$/u);
      assert.doesNotMatch(argument.path, /\p{Cc}/u);
      assert.doesNotMatch(argument.path.replaceAll(/"(?:[^"\\]|\\.)*"/gu, ''), /[\s"]/u);
      for (const { text } of argument.parameters) assert.doesNotMatch(text, /[\s\p{Cc}]/u);
    }),
    { numRuns: 2_000 },
  );
});

test('takes no time to speak of for the longest hostile line', () => {
  const hostile = [
    ' '.repeat(12_000),
    '@a,'.repeat(4_000),
    '"\\'.repeat(6_000),
    '<"'.repeat(6_000),
    'a=a '.repeat(3_000),
  ];
  for (const text of hostile) {
    assert.equal(typeof parse(`FROM:<${text}`), 'string');
    assert.equal(typeof parse(`FROM:${text}<`), 'string');
  }
});
