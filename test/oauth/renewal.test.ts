/**
 * When a token is asked for, how often, and what becomes of a login on disk.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, mock, suite, test } from 'node:test';

import type { OAuthAccount } from '../../src/oauth/account.ts';
import { LoginStore } from '../../src/oauth/login-store.ts';
import { TokenError } from '../../src/oauth/token-error.ts';
import { Secret } from '../../src/protocol/secret.ts';
import { CLIENT_SECRET } from '../support/authorization-server.ts';
import { OAuthBed, USER } from '../support/oauth-bed.ts';

const clientProof = { kind: 'secret', secret: new Secret(CLIENT_SECRET), sentIn: 'body' } as const;
const SECRET_CLIENT = { clientId: 'secret-client', clientProof } as const;
const MINUTE = 60_000;

suite('a renewal', async () => {
  const bed = await OAuthBed.start();
  after(async () => bed.stop());
  const { server } = bed;
  beforeEach(() => {
    server.tokenRequests.splice(0);
    server.intercept = undefined;
    server.lifetime = 3_600;
    bed.log.splice(0);
  });

  test('is one request, however many wait for it', async () => {
    const tokens = bed.tokens(SECRET_CLIENT);
    const all = await Promise.all(Array.from({ length: 50 }, async () => bed.token(tokens)));
    assert.equal(new Set(all).size, 1);
    assert.deepEqual(server.tokenRequests, ['client_credentials']);
  });

  test('comes before a token expires, while the token still serves', async () => {
    const tokens = bed.tokens(SECRET_CLIENT);
    const first = await bed.token(tokens);
    bed.now += 54 * MINUTE;
    assert.equal(await bed.token(tokens), first);
    bed.now += 2 * MINUTE;
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    server.intercept = async () => {
      await held;
      return false;
    };
    assert.equal(await bed.token(tokens), first, 'nobody waits for it');
    release();
    while ((await bed.token(tokens)) === first) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.tokenRequests.length, 2);
  });

  test('is waited for when the token has expired', async () => {
    const tokens = bed.tokens(SECRET_CLIENT);
    const first = await bed.token(tokens);
    bed.now += 60 * MINUTE;
    assert.notEqual(await bed.token(tokens), first);
  });

  test('that fails leaves the token that still serves', async () => {
    const tokens = bed.tokens(SECRET_CLIENT);
    const first = await bed.token(tokens);
    server.intercept = (_request, response) => {
      response.writeHead(503).end();
      return true;
    };
    bed.now += 56 * MINUTE;
    assert.equal(await bed.token(tokens), first);
    while (!bed.log.some(([event]) => event === 'token.refused'))
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await bed.token(tokens), first);
  });

  test('that fails is one failure for all who wait, and is not tried again at once', async () => {
    const tokens = bed.tokens(SECRET_CLIENT);
    let asked = 0;
    server.intercept = (_request, response) => {
      asked += 1;
      response.writeHead(503).end();
      return true;
    };
    const failures = await Promise.all(Array.from({ length: 50 }, async () => bed.failure(tokens)));
    assert.deepEqual(new Set(failures.map(({ reason }) => reason)), new Set(['token-endpoint-failed']));
    assert.equal((await bed.failure(tokens)).detail, 'HTTP 503');
    assert.equal(asked, 1);
    bed.now += 1_000;
    await bed.failure(tokens);
    assert.equal(asked, 2);
    bed.now += 1_000;
    await bed.failure(tokens);
    assert.equal(asked, 2, 'the interval has grown');
    server.intercept = undefined;
    bed.now += 1_000;
    assert.ok(await server.isValid(await bed.token(tokens)));
  });

  test('comes for the next one after the upstream refused the token, and then not again soon', async () => {
    const tokens = bed.tokens(SECRET_CLIENT);
    const first = await tokens.accessToken(AbortSignal.timeout(5_000));
    tokens.refused(first);
    const second = await tokens.accessToken(AbortSignal.timeout(5_000));
    assert.notEqual(second.reveal(), first.reveal());
    tokens.refused(first); // told late by another hop
    tokens.refused(second);
    assert.equal((await tokens.accessToken(AbortSignal.timeout(5_000))).reveal(), second.reveal());
    assert.equal(server.tokenRequests.length, 2);
  });

  test('goes on when the one who waited for it has given up', async () => {
    const tokens = bed.tokens(SECRET_CLIENT);
    await assert.rejects(tokens.accessToken(AbortSignal.abort()));
    assert.ok(await server.isValid(await bed.token(tokens)));
    assert.equal(server.tokenRequests.length, 1);
  });
});

suite('a stored login', async () => {
  const bed = await OAuthBed.start();
  after(async () => bed.stop());
  const { server } = bed;

  /** Another account, with nothing stored for it. */
  let count = 0;
  const newAccount = async (): Promise<{ account: Partial<OAuthAccount>; store: LoginStore }> => {
    const user = `user${(count += 1)}@example.test`;
    const account = {
      clientId: 'native-client',
      user,
      grant: { kind: 'refresh-token', seed: undefined },
    } as const;
    const store = new LoginStore(bed.account(account));
    const refreshToken = new Secret(await server.refreshToken('native-client', user));
    await store.write({ refreshToken, seed: undefined });
    return { account, store };
  };

  test('is readable by its owner only, its directory too, also after a renewal', async () => {
    const { account, store } = await newAccount();
    const before = readFileSync(store.file, 'utf8');
    await bed.token(bed.tokens(account));
    assert.notEqual(readFileSync(store.file, 'utf8'), before);
    assert.equal(statSync(store.file).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(store.file)).mode & 0o777, 0o700);
    assert.deepEqual(
      readdirSync(dirname(store.file)).filter((name) => !name.endsWith('.json')),
      [],
      'no lock and no temporary file is left',
    );
  });

  test('is renewed by several processes one after the other: no refresh token is used twice', async () => {
    const { account } = await newAccount();
    const processes = Array.from({ length: 8 }, () => bed.tokens(account));
    const tokens = await Promise.all(processes.map(async (one) => bed.token(one)));
    assert.equal(new Set(tokens).size, 8);
    for (const token of tokens)
      assert.ok(await server.isValid(token), 'the server revokes all when one is reused');
  });

  test('is renewed though a process that died has left its lock behind', async () => {
    const { account, store } = await newAccount();
    const lock = store.file.replace(/json$/, 'lock');
    mkdirSync(lock);
    utimesSync(lock, new Date(0), new Date(0));
    assert.ok(await server.isValid(await bed.token(bed.tokens(account))));
    assert.ok(!existsSync(lock));
  });

  test('is renewed though a lock was left behind before the clock was set right', async () => {
    const { account, store } = await newAccount();
    const lock = store.file.replace(/json$/, 'lock');
    mkdirSync(lock);
    const ahead = new Date(Date.now() + 3_600_000);
    utimesSync(lock, ahead, ahead);
    assert.ok(await server.isValid(await bed.token(bed.tokens(account))));
  });

  test('that another process does not let go of is a failure that says so', async () => {
    const { store } = await newAccount();
    const free = Promise.withResolvers<void>();
    const holding = store.exclusively(AbortSignal.timeout(5_000), async () => free.promise);
    await assert.rejects(
      store.exclusively(AbortSignal.timeout(100), async () => undefined),
      {
        reason: 'token-state-unusable',
        detail: `${store.file.replace(/json$/, 'lock')}: another process has it`,
      },
    );
    free.resolve();
    await holding;
  });

  test('that others may read is closed to them when it is read', async () => {
    const { store } = await newAccount();
    chmodSync(store.file, 0o644);
    assert.ok(await store.read());
    assert.equal(statSync(store.file).mode & 0o777, 0o600);
  });

  test('that could not be written is written when it can be, though no newer one came since', async () => {
    const { account, store } = await newAccount();
    const tokens = bed.tokens(account);
    const first = (await store.read())?.refreshToken.reveal();
    const write = mock.method(LoginStore.prototype, 'write', async () => {
      throw new TokenError('token-state-unusable', 'ENOSPC');
    });
    await bed.token(tokens);
    assert.equal((await store.read())?.refreshToken.reveal(), first);
    write.mock.restore();
    server.intercept = (_request, response) => {
      const body = { access_token: 'again', token_type: 'Bearer', expires_in: 60 };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      return true;
    };
    bed.now += 60 * MINUTE;
    await bed.token(tokens);
    server.intercept = undefined;
    const kept = (await store.read())?.refreshToken.reveal() ?? '';
    assert.notEqual(kept, first);
    assert.ok(await server.isRefreshable(kept));
  });

  test('that is over is replaced by a new one at once', async () => {
    const { account, store } = await newAccount();
    const tokens = bed.tokens(account);
    await server.revoke((await store.read())?.refreshToken.reveal() ?? '');
    assert.equal((await bed.failure(tokens)).reason, 'token-login-refused');
    const requests = server.tokenRequests.length;
    assert.equal((await bed.failure(tokens)).reason, 'token-login-refused');
    assert.equal(server.tokenRequests.length, requests);
    const refreshToken = new Secret(await server.refreshToken('native-client', account.user ?? ''));
    await store.write({ refreshToken, seed: undefined });
    assert.ok(await server.isValid(await bed.token(tokens)));
  });

  test('that is damaged is a failure that names the file, and not what is in it', async () => {
    const { account, store } = await newAccount();
    writeFileSync(store.file, '{"refreshToken": c4nary');
    const failure = await bed.failure(bed.tokens(account));
    assert.equal(failure.reason, 'token-state-unusable');
    assert.equal(failure.detail, `${store.file}: not a login`);
  });

  test('gives way to a refresh token that the operator has changed', async () => {
    const { account, store } = await newAccount();
    const first = new Secret(await server.refreshToken('native-client', USER));
    const second = new Secret(await server.refreshToken('native-client', USER));
    for (const seed of [first, second]) {
      const tokens = bed.tokens({ ...account, grant: { kind: 'refresh-token', seed } });
      assert.ok(await server.isValid(await bed.token(tokens)));
    }
    const kept = (await store.read())?.refreshToken.reveal();
    assert.ok(kept !== first.reveal() && kept !== second.reveal());
  });

  test('that cannot be written does not keep a refresh token of the operator from working', async () => {
    const stateDirectory = join(mkdtempSync(join(tmpdir(), 'sealpost-sealed-')), 'none');
    const blocked = join(stateDirectory, 'oauth');
    mkdirSync(stateDirectory);
    writeFileSync(blocked, 'a file where the directory would be');
    const seed = new Secret(await server.refreshToken('native-client', USER));
    const tokens = bed.tokens({
      stateDirectory,
      clientId: 'native-client',
      grant: { kind: 'refresh-token', seed },
    });
    assert.ok(await server.isValid(await bed.token(tokens)));
    assert.ok(bed.log.some(([event]) => event === 'token.unstored'));
    bed.now += 60 * MINUTE;
    assert.ok(await server.isValid(await bed.token(tokens)), 'in this process it is not forgotten');
    rmSync(dirname(stateDirectory), { recursive: true });
  });
});
