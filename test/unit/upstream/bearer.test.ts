/**
 * OAUTHBEARER and XOAUTH2 octet for octet, and when which is chosen.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { Secret } from '../../../src/protocol/secret.ts';
import { chooseMechanism, chooseTokenMechanism } from '../../../src/upstream/sasl/choose.ts';
import { SaslError, type Mechanism, type MechanismName } from '../../../src/upstream/sasl/mechanism.ts';
import { oauthbearer } from '../../../src/upstream/sasl/oauthbearer.ts';
import { xoauth2 } from '../../../src/upstream/sasl/xoauth2.ts';

const text = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString();
const challenge = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
const token = new Secret('vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==');

suite('a token mechanism', () => {
  test('says the message of RFC 7628 §4.1, without the host and port that no bearer token needs', () => {
    const { initialResponse } = oauthbearer({ user: 'user@example.com', token });
    assert.equal(
      text(initialResponse),
      'n,a=user@example.com,\u0001auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u0001\u0001',
    );
  });

  test('writes comma and equals sign of a user name as GS2 has them', () => {
    assert.match(text(oauthbearer({ user: 'a,b=c', token }).initialResponse), /^n,a=a=2Cb=3Dc,/);
  });

  test('says the message that Google and Microsoft describe', () => {
    const message = text(
      xoauth2({ user: 'test@contoso.onmicrosoft.com', token: new Secret('EwBAAl3B') }).initialResponse,
    );
    assert.equal(message, 'user=test@contoso.onmicrosoft.com\u0001auth=Bearer EwBAAl3B\u0001\u0001');
  });

  const BOTH: readonly (readonly [string, (user: string, token: Secret) => Mechanism, string])[] = [
    ['OAUTHBEARER', (user, secret) => oauthbearer({ user, token: secret }), 'AQ=='],
    ['XOAUTH2', (user, secret) => xoauth2({ user, token: secret }), ''],
  ];
  for (const [name, make, acknowledgement] of BOTH) {
    test(`answers the prompt of ${name} with the token and a refusal with its acknowledgement, each once`, async () => {
      const mechanism = make('a@example.com', token);
      assert.equal(await mechanism.respond(''), mechanism.initialResponse);
      const refusal = challenge({ status: 'invalid_token', scope: 'mail', schemes: 'bearer' });
      assert.equal(await mechanism.respond(refusal), acknowledgement);
      assert.equal(mechanism.complaint, 'status invalid_token, scope mail');
      assert.equal(await mechanism.respond(refusal), undefined);
    });

    test(`gives ${name} up when the token is asked for twice`, async () => {
      const mechanism = make('a@example.com', token);
      await mechanism.respond('');
      assert.equal(await mechanism.respond(''), undefined);
    });

    test(`keeps what a refusal of ${name} says printable and bounded`, async () => {
      const mechanism = make('a@example.com', token);
      await mechanism.respond(
        challenge({ status: `a\r\nb\u001b${'x'.repeat(9_999)}`, error: { not: 'text' } }),
      );
      assert.match(mechanism.complaint ?? '', /^status a\?\?b\?x+$/);
      assert.ok((mechanism.complaint ?? '').length < 250);
    });

    test(`does not say with ${name} what would be another message`, () => {
      for (const [user, secret] of [
        ['a\u0001auth=Bearer other\u0001', 'token'],
        ['a', 'tok\u0001en'],
        ['a', 'tok en'],
        ['a', ''],
        ['a', 'x'.repeat(9_300)],
      ] as const)
        assert.throws(() => make(user, new Secret(secret)), SaslError, `${user} ${secret}`);
    });
  }

  const tokens = { accessToken: async () => token, refused: () => undefined };
  const chosen = (offered: readonly string[], mechanisms?: readonly MechanismName[]): string | undefined =>
    chooseTokenMechanism(offered, { kind: 'token', user: 'a', tokens, mechanisms })?.(token).name;

  test('is OAUTHBEARER where both are offered and allowed', () => {
    assert.equal(chosen(['PLAIN', 'XOAUTH2', 'OAUTHBEARER']), 'OAUTHBEARER');
    assert.equal(chosen(['LOGIN', 'XOAUTH2']), 'XOAUTH2');
    assert.equal(chosen(['XOAUTH2', 'OAUTHBEARER'], ['XOAUTH2']), 'XOAUTH2');
    assert.equal(chosen(['PLAIN', 'LOGIN', 'SCRAM-SHA-256']), undefined);
  });

  test('is never chosen for a password', () => {
    const password = { kind: 'password', user: 'a', password: new Secret('b') } as const;
    assert.equal(chooseMechanism(['OAUTHBEARER', 'XOAUTH2'], password, undefined), undefined);
  });
});
