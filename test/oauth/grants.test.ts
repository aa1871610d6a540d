/**
 * Access tokens from a real authorization server, by each grant and each way for a client to prove itself.
 */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { after, suite, test } from 'node:test';

import { parseServiceAccount } from '../../src/oauth/service-account.ts';
import { Secret } from '../../src/protocol/secret.ts';
import { CLIENT_SECRET, SERVICE_ACCOUNT_EMAIL } from '../support/authorization-server.ts';
import { OAuthBed, USER } from '../support/oauth-bed.ts';

suite('an access token', async () => {
  const bed = await OAuthBed.start();
  after(async () => bed.stop());
  const { server } = bed;

  test('comes for client credentials with a secret in the body', async () => {
    const clientProof = { kind: 'secret', secret: new Secret(CLIENT_SECRET), sentIn: 'body' } as const;
    const tokens = bed.tokens({ clientId: 'secret-client', clientProof });
    assert.ok(await server.isValid(await bed.token(tokens)));
  });

  test('comes for client credentials with a secret in the header', async () => {
    const clientProof = { kind: 'secret', secret: new Secret(CLIENT_SECRET), sentIn: 'header' } as const;
    const tokens = bed.tokens({ clientId: 'header-client', clientProof });
    assert.ok(await server.isValid(await bed.token(tokens)));
  });

  test('comes for client credentials with a certificate, whose SHA-256 is in the header of the assertion', async () => {
    const { key, cert } = server.clientIdentity;
    const clientProof = { kind: 'certificate', key: createPrivateKey(key), certificate: cert } as const;
    const tokens = bed.tokens({ clientId: 'certificate-client', clientProof });
    assert.ok(await server.isValid(await bed.token(tokens)));
    const header = server.assertionHeaders.at(-1);
    const fingerprint = new X509Certificate(cert).fingerprint256.replaceAll(':', '');
    assert.equal(header?.['alg'], 'PS256');
    assert.equal(header?.['x5t#S256'], Buffer.from(fingerprint, 'hex').toString('base64url'));
  });

  test('comes for a service account that speaks for a user', async () => {
    const { account } = parseServiceAccount(server.serviceAccountFile());
    assert.equal(account.email, SERVICE_ACCOUNT_EMAIL);
    const tokens = bed.tokens({ clientId: '', grant: { kind: 'service-account', account } });
    assert.ok(await server.isValid(await bed.token(tokens)));
    assert.deepEqual(server.assertionHeaders.at(-1), { alg: 'RS256', kid: 'key-1', typ: 'JWT' });
  });

  test('comes for a refresh token, and the one that takes its place is kept for the next time', async () => {
    const seed = new Secret(await server.refreshToken('native-client', USER));
    const account = { clientId: 'native-client', grant: { kind: 'refresh-token', seed } } as const;
    assert.ok(await server.isValid(await bed.token(bed.tokens(account))));
    // A relay that starts anew knows only the first one, which counts no more.
    assert.ok(await server.isValid(await bed.token(bed.tokens(account))));
  });

  test('does not come for a wrong secret; the failure names the client and not the secret', async () => {
    const clientProof = { kind: 'secret', secret: new Secret('wr0ng-canary'), sentIn: 'body' } as const;
    const failure = await bed.failure(bed.tokens({ clientId: 'secret-client', clientProof }));
    assert.equal(failure.reason, 'token-client-refused');
    assert.match(failure.detail ?? '', /^invalid_client/);
  });

  test('does not come for a wrong secret in the header, either', async () => {
    const clientProof = { kind: 'secret', secret: new Secret('wr0ng-canary'), sentIn: 'header' } as const;
    const failure = await bed.failure(bed.tokens({ clientId: 'header-client', clientProof }));
    assert.equal(failure.reason, 'token-client-refused');
    assert.match(failure.detail ?? '', /^invalid_client/);
  });

  test('does not come for a refresh token that was revoked; the failure says that the login is over', async () => {
    const refreshToken = await server.refreshToken('native-client', USER);
    await server.revoke(refreshToken);
    const grant = { kind: 'refresh-token', seed: new Secret(refreshToken) } as const;
    const failure = await bed.failure(bed.tokens({ clientId: 'native-client', grant }));
    assert.equal(failure.reason, 'token-login-refused');
    assert.match(failure.detail ?? '', /^invalid_grant/);
  });

  test('does not come where nobody has logged in', async () => {
    const grant = { kind: 'refresh-token', seed: undefined } as const;
    const failure = await bed.failure(bed.tokens({ clientId: 'native-client', grant, user: 'nobody' }));
    assert.equal(failure.reason, 'token-login-missing');
  });
});
