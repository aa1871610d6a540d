/**
 * AUTH in one client's session.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Verdict } from '../../../src/listener/client-auth.ts';
import { Login, type LoginRules } from '../../../src/listener/login.ts';
import { ownReply } from '../../../src/protocol/reply.ts';

const PLAIN = `PLAIN ${Buffer.from('\0user\0canary-9b2e').toString('base64')}`;
const WRONG: Verdict = { refusal: ownReply([535, '5.7.8'], 'No'), isCounted: true };
const OPEN = { isTls: true, isInTransaction: false };
const CLEAR = { isTls: false, isInTransaction: false };

interface Scene {
  readonly login: Login;
  readonly log: unknown[];
  readonly judged: { count: number };
}

function scene(verdict: Verdict = { user: 'user' }, clearNetworks: readonly string[] = []): Scene {
  const log: unknown[] = [];
  const judged = { count: 0 };
  const rules: LoginRules = {
    isRequired: true,
    mechanisms: ['PLAIN', 'LOGIN'],
    takesClearText: (address) => clearNetworks.includes(address),
    judge: async () => {
      judged.count += 1;
      return Promise.resolve(verdict);
    },
  };
  const emit = (...event: readonly unknown[]): void => void log.push(event);
  const client = { sid: 's', address: '192.0.2.1', hostname: 'relay.test', log: { emit } };
  return { login: new Login(rules, client), log, judged };
}

test('takes no password in clear text from beyond loopback, and offers no login there', async () => {
  const { login, judged } = scene();
  assert.equal(login.keyword(false), undefined);
  const reply = await login.begin(PLAIN, CLEAR);
  assert.equal(reply.code, 538);
  assert.match(reply.lines[0] ?? '', /^5\.7\.11 .*SEALPOST_CLIENT_AUTH_CLEAR_NETWORKS/);
  assert.equal(judged.count, 0);
  assert.match(login.mailRefusal(false)?.lines[0] ?? '', /TLS.*SEALPOST_CLIENT_AUTH_CLEAR_NETWORKS/);
});

test('takes one in clear text from a network that the operator names', async () => {
  const { login } = scene(undefined, ['192.0.2.1']);
  assert.equal(login.keyword(false), 'AUTH PLAIN LOGIN');
  assert.equal((await login.begin(PLAIN, CLEAR)).code, 235);
});

test('asks for a login before MAIL until there was one, and again after STARTTLS', async () => {
  const { login } = scene();
  const refusal = (): number | undefined => login.mailRefusal(true)?.code;
  assert.equal(refusal(), 530);
  await login.begin(PLAIN, OPEN);
  assert.equal(refusal(), undefined);
  assert.equal(login.keyword(true), undefined);
  assert.equal((await login.begin(PLAIN, OPEN)).code, 503);
  login.forget();
  assert.equal(refusal(), 530);
  assert.equal(login.keyword(true), 'AUTH PLAIN LOGIN');
});

test('answers what is no login without asking anybody', async () => {
  const { login, judged } = scene();
  const asked: readonly (readonly [string, number])[] = [
    ['', 501],
    ['PLAIN a b', 501],
    ['PLAIN !', 501],
    ['XOAUTH2 QQ==', 504],
    ['CRAM-MD5', 504],
  ];
  for (const [argument, code] of asked)
    assert.equal((await login.begin(argument, OPEN)).code, code, argument);
  assert.equal((await login.next('QQ==')).code, 501);
  assert.equal((await login.begin(PLAIN, { ...OPEN, isInTransaction: true })).code, 503);
  assert.equal(judged.count, 0);
});

test('releases the account of a client once, however the session ends', async () => {
  let released = 0;
  const { login } = scene({ user: 'user', account: { targets: [], release: () => (released += 1) } });
  await login.begin(PLAIN, OPEN);
  login.end();
  login.end();
  assert.equal(released, 1);
});

test('releases at once what a client gets that has gone meanwhile', async () => {
  let released = 0;
  const { login } = scene({ user: 'user', account: { targets: [], release: () => (released += 1) } });
  const reply = login.begin(PLAIN, OPEN);
  login.end();
  await reply;
  assert.equal(released, 1);
  assert.equal(login.accepted, undefined);
});

test('delays the answer to a failure, ends the delay when the client goes, and the session after three', async () => {
  const { login, log } = scene(WRONG);
  const replies = [login.begin(PLAIN, OPEN), login.begin(PLAIN, OPEN)];
  const isAnswered = await Promise.race([...replies, new Promise((resolve) => setImmediate(resolve))]);
  assert.equal(isAnswered, undefined);
  login.end();
  assert.deepEqual(
    (await Promise.all(replies)).map(({ code }) => code),
    [535, 535],
  );
  assert.equal((await login.begin(PLAIN, OPEN)).code, 421);
  assert.doesNotMatch(JSON.stringify(log), /canary|user/);
});
