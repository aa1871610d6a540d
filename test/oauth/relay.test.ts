/**
 * The relay logs in upstream with access tokens of each grant, and says why when it cannot.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';

import { AuthorizationServer, CLIENT_SECRET } from '../support/authorization-server.ts';
import { USER } from '../support/oauth-bed.ts';
import { TestAuthority } from '../support/pki.ts';
import {
  assertNoSecret,
  authority,
  directory,
  mail,
  removeAll,
  send,
  start,
} from '../support/token-relay.ts';

suite('a relay that logs in with access tokens', { timeout: 120_000 }, () => {
  after(removeAll);

  test('delivers by OAUTHBEARER where both are offered, and keeps the token for the next hop', async () => {
    await using bed = await start();
    assert.match(await send(bed), /^250 /);
    await bed.upstream.hangUp();
    assert.match(await send(bed), /^250 /);
    const [first, second] = bed.tokens.logins;
    assert.equal(first?.mechanism, 'OAUTHBEARER');
    assert.equal(first.user, USER);
    assert.equal(second?.token, first.token);
    assert.deepEqual(bed.server.tokenRequests, ['client_credentials']);
    assert.equal(bed.relay.log.filter(({ event }) => event === 'token.renewed').length, 1);
    assertNoSecret(bed.relay.output, bed);
  });

  test('delivers by XOAUTH2 where that is offered alone, or asked for alone', async () => {
    for (const wish of [
      { auth: 'AUTH LOGIN XOAUTH2' },
      { variables: { SEALPOST_UPSTREAM_AUTH: 'XOAUTH2' } },
    ]) {
      await using bed = await start(wish);
      assert.match(await send(bed), /^250 /);
      assert.equal(bed.tokens.logins[0]?.mechanism, 'XOAUTH2');
      assert.equal(bed.tokens.logins[0]?.user, USER);
    }
  });

  test('sends a short token with the command, and one that does not fit on its line after the prompt', async () => {
    await using short = await start();
    assert.match(await send(short), /^250 /);
    assert.ok((short.tokens.logins[0]?.commandOctets ?? 0) > 'AUTH OAUTHBEARER'.length);
    // 9,000 characters: in base64 12,000, which a line of AUTH just takes.
    await using long = await start({ tokenBits: 54_000 });
    assert.match(await send(long), /^250 /);
    assert.equal(long.tokens.logins[0]?.commandOctets, 'AUTH OAUTHBEARER'.length);
    assert.equal(long.tokens.logins[0]?.token.length, 9_000);
    assertNoSecret(long.relay.output, long);
  });

  test('says so when a token is too long for any line', async () => {
    await using bed = await start({ tokenBits: 60_000 });
    assert.match(await mail(bed), /^454 4\.7\.0 The access token or the user name is too long/);
    assertNoSecret(bed.relay.output, bed);
  });

  const ACKNOWLEDGED = [
    ['OAUTHBEARER', 'AQ=='],
    ['XOAUTH2', ''],
  ] as const;
  for (const [mechanism, acknowledgement] of ACKNOWLEDGED)
    test(`acknowledges the challenge that refuses a token as ${mechanism} has it, and tells what it says`, async () => {
      await using bed = await start({ auth: `AUTH ${mechanism}` });
      bed.tokens.isStubborn = true;
      const reply = await mail(bed);
      assert.match(reply, /^454 4\.7\.0 The upstream refused the relay's access token/);
      assert.match(reply, /5\.7\.8 Username and Password not accepted \(status 400, scope https:/);
      assert.equal(bed.tokens.logins[0]?.acknowledgement, acknowledgement);
      assertNoSecret(bed.relay.output + reply, bed);
    });

  test('goes on when its token expires in mid-run', async () => {
    await using bed = await start();
    bed.server.lifetime = 2;
    assert.match(await send(bed), /^250 /);
    const [first] = bed.tokens.logins;
    while (await bed.server.isValid(first?.token ?? ''))
      await new Promise((resolve) => setTimeout(resolve, 50));
    await bed.upstream.hangUp();
    assert.match(await send(bed), /^250 /);
    assert.ok(bed.tokens.logins.every(({ isAccepted }) => isAccepted));
    assert.notEqual(bed.tokens.logins.at(-1)?.token, first?.token);
  });

  test('asks once for fifty clients that come at the same time', async () => {
    await using bed = await start();
    const replies = await Promise.all(Array.from({ length: 50 }, async () => send(bed)));
    assert.ok(replies.every((reply) => reply.startsWith('250 ')));
    assert.equal(bed.server.tokenRequests.length, 1);
  });

  test('answers 454 4.7.0 with the cause when the token endpoint is down, and sends nothing upstream', async () => {
    const server = await AuthorizationServer.start(authority);
    await using bed = await start({ server });
    await server[Symbol.asyncDispose]();
    const reply = await mail(bed);
    assert.match(reply, /^454 4\.7\.0 The token endpoint .* could not be reached \(ECONNREFUSED\)/);
    assert.ok(!bed.upstream.secured.includes('AUTH'));
    const [line] = bed.relay.log.filter(({ event }) => event === 'token.refused');
    assert.equal(line?.['reason'], 'token-endpoint-unreachable');
  });

  test('answers 454 4.7.0 with the provider’s words when the login is over, and says what to do', async () => {
    const server = await AuthorizationServer.start(authority);
    const refreshToken = await server.refreshToken('native-client', USER);
    await using bed = await start({
      server,
      variables: {
        SEALPOST_OAUTH_GRANT: 'refresh-token',
        SEALPOST_OAUTH_CLIENT_ID: 'native-client',
        SEALPOST_OAUTH_CLIENT_SECRET: undefined,
        SEALPOST_OAUTH_REFRESH_TOKEN: refreshToken,
      },
    });
    await server.revoke(refreshToken);
    const reply = await mail(bed);
    assert.match(reply, /^454 4\.7\.0 .*\(invalid_grant: [^)]*\); run sealpost login again/);
    assertNoSecret(bed.relay.output + reply, bed);
  });

  test('uses no refresh token twice, though it has several workers', async () => {
    const server = await AuthorizationServer.start(authority);
    await using bed = await start({
      server,
      variables: {
        SEALPOST_WORKERS: '2',
        SEALPOST_OAUTH_GRANT: 'refresh-token',
        SEALPOST_OAUTH_CLIENT_ID: 'native-client',
        SEALPOST_OAUTH_CLIENT_SECRET: undefined,
        SEALPOST_OAUTH_REFRESH_TOKEN: await server.refreshToken('native-client', USER),
      },
    });
    server.lifetime = 2;
    for (let round = 0; round < 3; round += 1) {
      const replies = await Promise.all(Array.from({ length: 20 }, async () => send(bed)));
      assert.deepEqual(
        replies.filter((reply) => !reply.startsWith('250 ')),
        [],
      );
      while (await server.isValid(bed.tokens.logins.at(-1)?.token ?? ''))
        await new Promise((resolve) => setTimeout(resolve, 50));
      await bed.upstream.hangUp();
    }
    assert.ok(server.tokenRequests.length >= 3);
    assertNoSecret(bed.relay.output, bed);
  });

  test('gives its secret to no endpoint with a wrong certificate and to no proxy, whatever the environment says', async () => {
    const stranger = new TestAuthority();
    const server = await AuthorizationServer.start(authority, { identity: stranger.issue() });
    await using bed = await start({
      server,
      variables: {
        NODE_TLS_REJECT_UNAUTHORIZED: '0',
        NODE_OPTIONS: '--insecure-http-parser',
        NODE_EXTRA_CA_CERTS: stranger.caFile,
        NODE_USE_ENV_PROXY: '1',
        HTTPS_PROXY: server.issuer,
      },
    });
    let asked = 0;
    server.intercept = () => {
      asked += 1;
      return false;
    };
    assert.match(await mail(bed), /^454 4\.7\.0 The token endpoint .* did not prove who it is/);
    assert.equal(asked, 0);
    stranger.remove();
  });

  test('delivers for a service account, whose key file is all that is set', async () => {
    const server = await AuthorizationServer.start(authority);
    const file = join(directory, 'service-account.json');
    writeFileSync(file, server.serviceAccountFile());
    await using bed = await start({
      server,
      variables: {
        SEALPOST_OAUTH_GRANT: 'service-account',
        SEALPOST_OAUTH_SERVICE_ACCOUNT_FILE: file,
        SEALPOST_OAUTH_TOKEN_URL: undefined,
        SEALPOST_OAUTH_CLIENT_ID: undefined,
        SEALPOST_OAUTH_CLIENT_SECRET: undefined,
      },
    });
    assert.match(await send(bed), /^250 /);
    assertNoSecret(bed.relay.output, bed);
    assert.ok(!bed.relay.output.includes('PRIVATE KEY'));
  });

  test('delivers for a client with a certificate', async () => {
    const server = await AuthorizationServer.start(authority);
    const { certFile, keyFile } = authority.files(server.clientIdentity);
    await using bed = await start({
      server,
      variables: {
        SEALPOST_OAUTH_CLIENT_ID: 'certificate-client',
        SEALPOST_OAUTH_CLIENT_SECRET: undefined,
        SEALPOST_OAUTH_CLIENT_CERT_FILE: certFile,
        SEALPOST_OAUTH_CLIENT_KEY_FILE: keyFile,
      },
    });
    assert.match(await send(bed), /^250 /);
  });

  test('keeps a secret that an endpoint or an upstream repeats out of everything', async () => {
    const server = await AuthorizationServer.start(authority);
    await using bed = await start({ server, auth: 'AUTH XOAUTH2' });
    server.intercept = (_request, response) => {
      const body = { error: 'invalid_client', error_description: `bad secret ${CLIENT_SECRET}` };
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      return true;
    };
    const reply = await mail(bed);
    assert.match(reply, /^454 4\.7\.0 /);
    assertNoSecret(bed.relay.output + reply, bed);
    server.intercept = undefined;
    bed.tokens.isEchoing = true;
    bed.tokens.isStubborn = true;
    let second = await mail(bed);
    while (second.includes('token endpoint') || second.includes('as a client')) second = await mail(bed);
    assert.equal(bed.tokens.logins.length, 2);
    assert.match(second, /^454 4\.7\.0 The upstream refused/);
    assertNoSecret(bed.relay.output + second, bed);
  });
});
