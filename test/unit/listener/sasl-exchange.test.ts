/**
 * The server's side of SASL.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';

import {
  initialResponse,
  saslExchange,
  type ClientMechanism,
  type Step,
} from '../../../src/listener/sasl-exchange.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function run(mechanism: ClientMechanism, first: string | undefined, ...responses: readonly string[]): Step {
  const exchange = saslExchange(mechanism, 'relay.test');
  return responses.reduce<Step>((_step, response) => exchange.next(response), exchange.begin(first));
}

function presented(step: Step): readonly [string, string] {
  assert.ok('proof' in step && step.proof.by === 'password');
  return [step.proof.user, step.proof.password.reveal()];
}

test('takes PLAIN with its response at once, or after an empty challenge', () => {
  assert.deepEqual(presented(run('PLAIN', '\0user\0pass')), ['user', 'pass']);
  assert.deepEqual(run('PLAIN', undefined), { challenge: '' });
  assert.deepEqual(presented(run('PLAIN', undefined, base64('\0user\0pass'))), ['user', 'pass']);
});

test('takes the name from where clients write it by mistake', () => {
  assert.deepEqual(presented(run('PLAIN', 'user\0\0pass')), ['user', 'pass']);
  assert.deepEqual(presented(run('PLAIN', 'other\0user\0pass')), ['user', 'pass']);
});

test('prompts LOGIN with the words that clients look for', () => {
  assert.deepEqual(run('LOGIN', undefined), { challenge: base64('Username:') });
  assert.deepEqual(run('LOGIN', undefined, base64('user')), { challenge: base64('Password:') });
  assert.deepEqual(presented(run('LOGIN', undefined, base64('user'), base64('pass'))), ['user', 'pass']);
  assert.deepEqual(presented(run('LOGIN', 'user', base64('pass'))), ['user', 'pass']);
});

test('takes the digest of CRAM-MD5 over a challenge that is never the same', () => {
  const exchange = saslExchange('CRAM-MD5', 'relay.test');
  const begun = exchange.begin(undefined);
  assert.ok('challenge' in begun);
  const challenge = Buffer.from(begun.challenge, 'base64').toString();
  assert.match(challenge, /^<[^<>@]{20,}@relay\.test>$/);
  assert.notDeepEqual(saslExchange('CRAM-MD5', 'relay.test').begin(undefined), begun);
  const digest = createHmac('md5', 'secret').update(challenge).digest('hex');
  const step = exchange.next(base64(`a user ${digest.toUpperCase()}`));
  assert.deepEqual(step, { proof: { by: 'digest', user: 'a user', challenge, digest } });
});

test('reads names and passwords beyond ASCII, in UTF-8 or else in Latin-1, and without padding', () => {
  assert.deepEqual(presented(run('LOGIN', initialResponse(base64('jürgen')), base64('größe'))), [
    'jürgen',
    'größe',
  ]);
  const latin = Buffer.from('\0jürgen\0größe', 'latin1').toString('base64').replaceAll('=', '');
  assert.deepEqual(presented(run('PLAIN', initialResponse(latin))), ['jürgen', 'größe']);
});

test('takes = for an initial response that is empty', () => {
  assert.equal(initialResponse('='), '');
  assert.deepEqual(presented(run('LOGIN', initialResponse('='), base64('p'))), ['', 'p']);
});

const FAULTS: readonly (readonly [string, ClientMechanism, string | undefined, readonly string[], string])[] =
  [
    ['a star', 'PLAIN', undefined, ['*'], 'cancelled'],
    ['a star for the password', 'LOGIN', 'user', ['*'], 'cancelled'],
    ['no base64', 'LOGIN', undefined, ['not base64!'], 'not-base64'],
    ['PLAIN in two parts', 'PLAIN', undefined, [base64('user\0pass')], 'malformed'],
    ['PLAIN in four parts', 'PLAIN', undefined, [base64('\0user\0pass\0more')], 'malformed'],
    ['a digest that is none', 'CRAM-MD5', undefined, [base64('user 1234')], 'malformed'],
    ['CRAM-MD5 before its challenge', 'CRAM-MD5', 'user', [], 'unexpected-response'],
  ];

for (const [what, mechanism, first, responses, fault] of FAULTS) {
  test(`ends the exchange at ${what}`, () => {
    assert.deepEqual(run(mechanism, first, ...responses), { fault });
  });
}
