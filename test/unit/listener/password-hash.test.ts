/**
 * How passwords of clients are kept.
 */
import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { test } from 'node:test';

import { formatHash, hashPassword, isPasswordOf, parseHash } from '../../../src/listener/password-hash.ts';

const SALT = 'c2FsdHNhbHRzYWx0c2FsdA';
const HASH = 'A'.repeat(43);

test('knows a password again by what was written down of it, and no other', async () => {
  const kept = parseHash(formatHash(await hashPassword('pä$$ wörd')));
  assert.equal(await isPasswordOf('pä$$ wörd', kept), true);
  assert.equal(await isPasswordOf('pä$$ wörd ', kept), false);
  assert.equal(await isPasswordOf('', kept), false);
});

test('never writes the same line twice for the same password', async () => {
  const [one, other] = [await hashPassword('x'), await hashPassword('x')];
  assert.notEqual(formatHash(one), formatHash(other));
});

test('takes hashes that others made with scrypt', async () => {
  const salt = Buffer.from(SALT, 'base64');
  const hash = scryptSync('secret', salt, 32, { N: 2 ** 14, r: 8, p: 1 });
  const text = `$scrypt$ln=14,r=8,p=1$${SALT}$${hash.toString('base64').replace('=', '')}`;
  assert.equal(await isPasswordOf('secret', parseHash(text)), true);
});

const BAD: readonly (readonly [what: string, text: string, words: RegExp])[] = [
  ['nothing', '', /hash-password/],
  ['a password in clear', 'canary-5d1c', /hash-password/],
  ['another scheme', `$2b$12$${'A'.repeat(53)}`, /hash-password/],
  ['parameters that are too weak', `$scrypt$ln=10,r=8,p=1$${SALT}$${HASH}`, /too weak/],
  ['parameters that take too long', `$scrypt$ln=17,r=8,p=99$${SALT}$${HASH}`, /too much/],
  ['parameters that take too much memory', `$scrypt$ln=20,r=8,p=1$${SALT}$${HASH}`, /too much/],
  ['parameters that scrypt does not allow', `$scrypt$ln=17,r=1,p=1$${SALT}$${HASH}`, /not allow/],
  ['no parameters', `$scrypt$${SALT}$${HASH}`, /hash-password/],
  ['parameters of zero', `$scrypt$ln=15,r=0,p=0$${SALT}$${HASH}`, /too weak/],
  ['a short hash', `$scrypt$ln=15,r=8,p=3$${SALT}$AAAA`, /hash-password/],
  ['a short salt', `$scrypt$ln=15,r=8,p=3$AAAA$${HASH}`, /hash-password/],
];

for (const [what, text, words] of BAD) {
  test(`refuses ${what} where a hash should be, without showing it`, () => {
    assert.throws(
      () => parseHash(text),
      (error) =>
        error instanceof Error && words.test(error.message) && (text === '' || !error.message.includes(text)),
    );
  });
}
