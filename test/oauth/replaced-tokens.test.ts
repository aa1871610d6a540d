/**
 * Tokens that count no more: access tokens that the upstream refuses, and refresh tokens that another has replaced.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';

import { AuthorizationServer } from '../support/authorization-server.ts';
import { USER } from '../support/oauth-bed.ts';
import { authority, directory, mail, removeAll, send, start } from '../support/token-relay.ts';

suite('a relay whose token counts no more', { timeout: 120_000 }, () => {
  after(removeAll);

  test('tries a fresh token at once when the upstream refuses one before its time, and no client hears of it', async () => {
    await using bed = await start();
    assert.match(await send(bed), /^250 /);
    const [first] = bed.tokens.logins;
    bed.tokens.revoked.add(first?.token ?? '');
    await bed.upstream.hangUp();
    assert.match(await send(bed), /^250 /);
    const [, second, third, ...more] = bed.tokens.logins;
    assert.equal(second?.token, first?.token);
    assert.equal(second?.isAccepted, false);
    assert.equal(third?.isAccepted, true);
    assert.deepEqual(more, []);
    assert.equal(bed.server.tokenRequests.length, 2);
  });

  test('tries no third token where the upstream refuses the fresh one too', async () => {
    await using bed = await start();
    bed.tokens.isStubborn = true;
    assert.match(await mail(bed), /^454 4\.7\.0 The upstream refused/);
    assert.equal(bed.tokens.logins.length, 2);
    assert.match(await mail(bed), /^454 4\.7\.0 The upstream refused/);
    assert.equal(bed.tokens.logins.length, 3, 'the second opening has one token, and no other to try');
    assert.equal(bed.server.tokenRequests.length, 2);
  });

  test('does not lose the refresh token that is on its way when it is told to stop', async () => {
    const server = await AuthorizationServer.start(authority);
    server.lifetime = 4;
    const state = join(directory, 'stopped');
    await using bed = await start({
      server,
      variables: {
        SEALPOST_STATE_DIR: state,
        SEALPOST_OAUTH_GRANT: 'refresh-token',
        SEALPOST_OAUTH_CLIENT_ID: 'native-client',
        SEALPOST_OAUTH_CLIENT_SECRET: undefined,
        SEALPOST_OAUTH_REFRESH_TOKEN: await server.refreshToken('native-client', USER),
      },
    });
    assert.match(await send(bed), /^250 /);
    const [file = ''] = readdirSync(join(state, 'oauth'));
    const first = readFileSync(join(state, 'oauth', file), 'utf8');
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { promise: asked, resolve: askedNow } = Promise.withResolvers<void>();
    server.intercept = async () => {
      askedNow();
      await held;
      return false;
    };
    const moments = { asked: false };
    void asked.then(() => (moments.asked = true));
    while (!moments.asked) {
      await bed.upstream.hangUp();
      assert.match(await send(bed), /^250 /, 'with the token that still serves');
    }
    const stopped = bed.relay.stop();
    await bed.relay.event('process.stopping');
    release();
    assert.equal(await stopped, 0);
    const second = readFileSync(join(state, 'oauth', file), 'utf8');
    assert.notEqual(second, first);
    const kept = /"refreshToken":"([^"]+)"/.exec(second)?.[1] ?? '';
    assert.ok(await server.isRefreshable(kept), 'the one that counts now');
  });
});
