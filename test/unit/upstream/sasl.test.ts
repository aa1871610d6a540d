import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { Secret } from '../../../src/protocol/secret.ts';
import { login } from '../../../src/upstream/sasl/login.ts';
import { plain } from '../../../src/upstream/sasl/plain.ts';

const credentials = { user: 'aliçe', password: new Secret('corréct horse') };
const b64 = (text: string): string => Buffer.from(text).toString('base64');

test('puts user and password into one PLAIN response, in UTF-8', () => {
  assert.equal(plain(credentials).initialResponse, b64('\0aliçe\0corréct horse'));
});

test('answers a PLAIN prompt once', () => {
  const mechanism = plain(credentials);
  assert.equal(mechanism.respond(''), b64('\0aliçe\0corréct horse'));
  assert.equal(mechanism.respond(''), undefined);
});

test('answers LOGIN prompts in order, however they are worded', () => {
  for (const [first, second] of [
    ['Username:', 'Password:'],
    ['User Name\0', 'Password\0'],
    ['', ''],
    ['login', 'geheim'],
  ] as const) {
    const mechanism = login(credentials);
    assert.equal(mechanism.respond(b64(first)), b64('aliçe'));
    assert.equal(mechanism.respond(b64(second)), b64('corréct horse'));
    assert.equal(mechanism.respond(b64('more')), undefined);
  }
});

test('never answers the first LOGIN prompt, nor one for a user name, with the password', () => {
  assert.equal(login(credentials).respond(b64('Password:')), undefined);
  const mechanism = login(credentials);
  mechanism.respond(b64('Username:'));
  assert.equal(mechanism.respond(b64('Username:')), undefined);
});

test('shows a secret in no way', () => {
  const { password } = credentials;
  for (const shown of [String(password), JSON.stringify({ password }), inspect({ password })])
    assert.doesNotMatch(shown, /horse/);
});
