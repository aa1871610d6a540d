import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';

import { Secret } from '../../../src/protocol/secret.ts';
import { saltedPassword, type Salting } from '../../../src/upstream/sasl/salted-password.ts';

const SALTING: Salting = { hash: 'sha256', salt: Buffer.from('salt'), iterations: 4_096 };

function expected(password: string, { hash, salt, iterations }: Salting): Buffer {
  return pbkdf2Sync(password, salt, iterations, hash === 'sha1' ? 20 : 32, hash);
}

test('keeps the last one for a password, and makes it anew for another salt, count or hash', async () => {
  const password = new Secret('pencil');
  const first = await saltedPassword(password, 'pencil', SALTING);
  assert.deepEqual(first, expected('pencil', SALTING));
  assert.equal(await saltedPassword(password, 'pencil', { ...SALTING }), first, 'the same object');
  const others: readonly Partial<Salting>[] = [
    { salt: Buffer.from('pepper') },
    { iterations: 4_097 },
    { hash: 'sha1' },
  ];
  for (const change of others) {
    const salting = { ...SALTING, ...change };
    assert.deepEqual(await saltedPassword(password, 'pencil', salting), expected('pencil', salting));
  }
});

test('keeps nothing of one password for another', async () => {
  const one = await saltedPassword(new Secret('one'), 'one', SALTING);
  const two = await saltedPassword(new Secret('two'), 'two', SALTING);
  assert.notDeepEqual(one, two);
  assert.deepEqual(two, expected('two', SALTING));
});

test('gives all the right one when they are asked for at the same time', async () => {
  const password = new Secret('pencil');
  const saltings = [1, 2, 3].map((salt) => ({ ...SALTING, salt: Buffer.from([salt]) }));
  const found = await Promise.all(saltings.map(async (one) => saltedPassword(password, 'pencil', one)));
  assert.deepEqual(
    found,
    saltings.map((one) => expected('pencil', one)),
  );
});
