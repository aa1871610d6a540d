/**
 * Whether what a client presents belongs to a user.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';

import { Gate } from '../../../src/listener/gate.ts';
import { formatHash, hashPassword } from '../../../src/listener/password-hash.ts';
import type { Proof } from '../../../src/listener/sasl-exchange.ts';
import { UserCheck } from '../../../src/listener/user-check.ts';
import { parseUserFile } from '../../../src/listener/user-file.ts';
import { Secret } from '../../../src/protocol/secret.ts';

const users = parseUserFile(`hashed:${formatHash(await hashPassword('right'))}\nplain:{PLAIN}right`);
const always = (): boolean => true;
const { signal } = new AbortController();

function password(user: string, text: string): Proof {
  return { by: 'password', user, password: new Secret(text) };
}

function digest(user: string, secret: string): Proof {
  const challenge = '<1@relay.test>';
  const value = createHmac('md5', secret).update(challenge).digest('hex');
  return { by: 'digest', user, challenge, digest: value };
}

test('takes the right password of each kind of user, also a second time, and no other', async () => {
  const check = new UserCheck(users);
  for (const user of ['hashed', 'plain', 'hashed', 'plain'])
    assert.equal(await check.judge(password(user, 'right'), always, signal), 'right');
  for (const [user, text] of [
    ['hashed', 'wrong'],
    ['plain', 'wrong'],
    ['nobody', 'right'],
    ['Hashed', 'right'],
    ['', ''],
  ] as const)
    assert.equal(await check.judge(password(user, text), always, signal), 'wrong');
});

test('takes a digest only of a user whose secret is known', async () => {
  const check = new UserCheck(users);
  assert.equal(check.knowsSecret, true);
  assert.equal(await check.judge(digest('plain', 'right'), always, signal), 'right');
  assert.equal(await check.judge(digest('plain', 'wrong'), always, signal), 'wrong');
  assert.equal(await check.judge(digest('hashed', 'right'), always, signal), 'wrong');
  assert.equal(await check.judge(digest('nobody', ''), always, signal), 'wrong');
});

test('looks at nothing of a client that is not admitted, nor of one that ceases to be while it waits', async () => {
  const check = new UserCheck(users);
  assert.equal(await check.judge(password('hashed', 'right'), () => false, signal), 'not-admitted');
  let asked = 0;
  assert.equal(
    await check.judge(password('hashed', 'right'), () => (asked += 1) === 1, signal),
    'not-admitted',
  );
});

test('hashes nothing for a client that has gone while it waited, and holds nothing against it', async () => {
  const check = new UserCheck(users);
  const gone = AbortSignal.abort();
  assert.equal(await check.judge(password('hashed', 'right'), always, gone), 'overloaded');
});

test('lets two through at a time and turns away who comes when the line is full', async () => {
  const gate = new Gate(2, 3);
  let inside = 0;
  let most = 0;
  const visit = async (): Promise<string | undefined> =>
    gate.through(async () => {
      most = Math.max(most, (inside += 1));
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      return 'through';
    });
  const visits = await Promise.all(Array.from({ length: 6 }, visit));
  assert.deepEqual(visits.filter((one) => one === undefined).length, 1);
  assert.equal(most, 2);
  await assert.rejects(
    gate.through(async () => Promise.reject(new Error('mine'))),
    /mine/,
  );
  assert.equal(await visit(), 'through');
});
