/**
 * Every secret that the relay is given, gets or makes, looked for in all that it says: its log at level debug, replies,
 * answers of the admin listener, what the commands print, last words, files.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text as allText } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';

import { formatHash, hashPassword } from '../../src/listener/password-hash.ts';
import { CLIENT_SECRET, SCOPE, type Interception } from '../support/authorization-server.ts';
import { CanaryStage } from '../support/canary-stage.ts';
import { PersonWithBrowser } from '../support/person-with-browser.ts';
import type { RelayProcess, Variables } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { TokenUpstream } from '../support/token-upstream.ts';

const MESSAGE = 'Subject: scan\r\n\r\nA page.';
const USER = 'printer@example.test';

suite('no secret is told', { timeout: 60_000 }, () => {
  let stage: CanaryStage;
  before(async () => {
    stage = await CanaryStage.open();
  });
  after(async () => stage.close());

  test('by a relay that knows its clients and has an account at each of many upstreams', async () => {
    const { secrets, upstream } = stage;
    const [hashed, plain] = [secrets.plant('client password'), secrets.plant('client secret')];
    const hash = formatHash(await hashPassword(hashed));
    secrets.keep('hash', hash.slice(hash.lastIndexOf('$') + 1));
    const accounts = ['PLAIN', 'LOGIN', 'CRAM-MD5'].flatMap((mechanism) =>
      ['good', 'bad'].map((user) => ({ mechanism, user, name: `${user}${mechanism.slice(0, 4)}` })),
    );
    const inUrl = encodeURIComponent(secrets.plant('password in a URL'));
    const variables = stage.variables({
      SEALPOST_UPSTREAM: `smtps://good-user:${inUrl}@localhost:${upstream.port}`,
      SEALPOST_CLIENT_AUTH: 'users',
      SEALPOST_CLIENT_USERS_FILE: stage.file(`scanner:${hash}\nold:{PLAIN}${plain}\n`),
      SEALPOST_ROUTES: accounts.map(({ name }) => `to=@${name}.test -> ${name.toUpperCase()}`).join('\n'),
      ...Object.assign({}, ...accounts.map(namedUpstream)),
    });
    await stage.tellsNothing(variables, async (clients) => {
      const sent = [...accounts, { name: 'main', user: 'good' }].map(async ({ name, user }) => {
        const { code, raw } = await clients.send(['scanner', hashed], MESSAGE, `b@${name}.test`);
        assert.equal(code, user === 'good' ? 250 : 454, raw);
      });
      await Promise.all(sent);
      assert.equal(await clients.logIn('LOGIN', ['scanner', hashed]), 235);
      assert.equal(await clients.logIn('CRAM-MD5', ['old', plain]), 235);
      assert.equal(await clients.logIn('CRAM-MD5', ['old', secrets.plant('wrong secret')]), 535);
      await clients.fumble(['scanner', hashed]);
    });
    await stage.commandTellsNothing(['config'], variables);
  });

  function namedUpstream(account: { name: string; user: string; mechanism: string }): Variables {
    const own = `SEALPOST_UPSTREAM_${account.name.toUpperCase()}`;
    const password = stage.secrets.plant(`password of ${account.name}`);
    return {
      [`${own}_URL`]: stage.upstream.url,
      [`${own}_CA_FILE`]: stage.authority.caFile,
      [`${own}_USER`]: `${account.user}-user`,
      [`${own}_AUTH`]: account.mechanism,
      ...(account.user === 'good'
        ? { [`${own}_PASSWORD`]: password }
        : { [`${own}_PASSWORD_FILE`]: stage.file(password) }),
    };
  }

  test('by a relay whose clients log in at the upstream itself', async () => {
    const password = stage.secrets.plant('password of an account');
    await stage.tellsNothing(stage.variables({ SEALPOST_CLIENT_AUTH: 'passthrough' }), async (clients) => {
      assert.equal(await clients.logIn('PLAIN', ['good-user', password]), 235);
      assert.equal(await clients.logIn('LOGIN', ['bad-user', password]), 535);
      await clients.fumble(['bad-user', password]);
    });
  });

  test('by a relay that takes whatever clients present, and is refused itself', async () => {
    const password = stage.secrets.plant('password');
    const variables = stage.variables({
      SEALPOST_CLIENT_AUTH: 'any',
      SEALPOST_UPSTREAM_USER: 'bad-user',
      SEALPOST_UPSTREAM_PASSWORD: stage.secrets.plant('upstream password'),
      SEALPOST_UPSTREAM_AUTH: 'PLAIN',
    });
    await stage.tellsNothing(variables, async (clients) => {
      const { raw } = await clients.send(['anybody', password], MESSAGE);
      assert.match(raw, /^454 4\.7\.0 The upstream refused/);
      await clients.fumble(['anybody', password]);
    });
    const { output, code } = await stage.commandTellsNothing(['check', '--json'], variables);
    assert.equal(code, 69);
    assert.match(output, /credentials \(PLAIN\), .*; it said: 535 5\.7\.8"/);
    await stage.commandTellsNothing(['check'], variables);
  });

  test('by a relay that has tokens, which upstream and provider repeat', async () => {
    const { provider } = stage;
    const tokens = Object.assign(new TokenUpstream(provider), { isStubborn: true, isEchoing: true });
    await using upstream = await ScriptedUpstream.start({
      mode: 'implicit',
      identity: stage.authority.issue(),
      keywords: ['8BITMIME', 'AUTH XOAUTH2 OAUTHBEARER'],
      answer: tokens.answer,
    });
    const refreshToken = await provider.refreshToken('secret-client', USER);
    const byRefreshToken = {
      SEALPOST_OAUTH_GRANT: 'refresh-token',
      SEALPOST_OAUTH_TOKEN_URL: provider.tokenUrl,
      SEALPOST_OAUTH_CLIENT_ID: 'secret-client',
      SEALPOST_OAUTH_CLIENT_SECRET: CLIENT_SECRET,
      SEALPOST_OAUTH_REFRESH_TOKEN: refreshToken,
      SEALPOST_OAUTH_SCOPE: SCOPE,
      SEALPOST_UPSTREAM_AUTH: 'XOAUTH2',
    };
    const byServiceAccount = {
      SEALPOST_OAUTH_GRANT: 'service-account',
      SEALPOST_OAUTH_SERVICE_ACCOUNT_FILE: stage.file(provider.serviceAccountFile()),
      SEALPOST_OAUTH_SCOPE: 'mail',
      SEALPOST_UPSTREAM_AUTH: 'OAUTHBEARER',
    };
    for (const grant of [byRefreshToken, byServiceAccount]) {
      const account = { SEALPOST_UPSTREAM: upstream.url, SEALPOST_UPSTREAM_USER: USER };
      const variables = stage.variables({ ...account, ...grant });
      await stage.tellsNothing(variables, async (clients) => {
        provider.intercept = repeatRequest;
        assert.match((await clients.send(undefined, MESSAGE)).raw, /^454 4\.7\.0 The provider/);
        provider.intercept = undefined;
        while (!(await clients.send(undefined, MESSAGE)).raw.startsWith('454 4.7.0 The upstream refused'));
      });
      await stage.commandTellsNothing(['config'], variables);
    }
  });

  test('by a login at the provider', async () => {
    const { provider } = stage;
    const variables = stage.variables({
      SEALPOST_UPSTREAM_USER: USER,
      SEALPOST_OAUTH_GRANT: 'refresh-token',
      SEALPOST_OAUTH_TOKEN_URL: provider.tokenUrl,
      SEALPOST_OAUTH_AUTHORIZATION_URL: `${provider.authorizationUrl}?prompt=consent`,
      SEALPOST_OAUTH_CLIENT_ID: 'native-client',
      SEALPOST_OAUTH_SCOPE: SCOPE,
    });
    const person = new PersonWithBrowser(USER, stage.authority.caPem);
    const atBrowser = async (login: RelayProcess): Promise<void> =>
      void (await person.goThrough(await shown(login, /Open this page[^:]*:\s+(https:\S+)/)));
    const { code, output } = await stage.commandTellsNothing(['login', '--browser'], variables, atBrowser);
    assert.equal(code, 0, output);
    provider.intercept = repeatRequest;
    const refused = await stage.commandTellsNothing(['login', '--browser'], variables, atBrowser);
    provider.intercept = undefined;
    assert.equal(refused.code, 69, refused.output);
  });

  test('by hash-password', () => {
    const input = stage.secrets.plant('password to be hashed');
    const args = ['src/cli.ts', 'hash-password', 'jane'];
    const { stdout, stderr } = spawnSync(process.execPath, args, { input });
    assert.match(stdout.toString(), /^jane:/);
    stage.secrets.assertNoneIn(`${stdout.toString()}${stderr.toString()}`, 'the output');
  });

  test('by complaints about variables', async () => {
    const password = stage.secrets.plant('password in a wrong URL');
    const urls = [
      `smtps://user:${encodeURIComponent(password)}@localhost:99999`,
      `smtps://user:${password}@localhost`,
      `smtps://user:${encodeURIComponent(password)}@`,
    ];
    const complaints = urls.map(async (url) => {
      const variables = stage.variables({
        SEALPOST_UPSTREAM: url,
        SEALPOST_UPSTREAM_PASSWORD: password,
        SEALPOST_UPSTREAM_BULK_PASSWORD: password,
        SEALPOST_OAUTH_CLIENT_SECRET: password,
        SEALPOST_OAUTH_SERVICE_ACCOUNT: `{"private_key": "${password}`,
        SEALPOST_CLIENT_AUTH: 'users',
        SEALPOST_CLIENT_USERS_FILE: stage.file(`${password}\na:${password}\n`),
      });
      const { code, output } = await stage.commandTellsNothing(['config'], variables);
      assert.equal(code, 78, output);
    });
    await Promise.all(complaints);
  });

  test('by the last words of a relay that has met a mistake of its own', async () => {
    const variables = stage.variables({
      SEALPOST_UPSTREAM_USER: 'good-user',
      SEALPOST_UPSTREAM_PASSWORD: stage.secrets.plant('upstream password'),
      SEALPOST_UPSTREAM_AUTH: 'CRAM-MD5',
    });
    const broken = {
      ...variables,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(PROVOKING)}`,
    };
    await stage.tellsNothing(broken, async (clients, relay) => {
      assert.match((await clients.send(undefined, MESSAGE)).raw, /^451 4\.3\.0 /);
      await relay.event('internal.error', ({ text: said }) => said === 'provoked by HMAC');
      const ended = once(relay.child, 'exit');
      relay.child.kill('SIGUSR2');
      await relay.event('internal.error', ({ text: said }) => said === 'provoked by a signal');
      await ended;
      assert.equal(relay.child.exitCode, 70);
    });
    const { code, output } = await stage.commandTellsNothing(['config'], broken);
    assert.match(output, /provoked by output/);
    assert.equal(code, 70);
  });
});

/** Loaded first; its errors have a secret at hand, as those of Node's URL and of many libraries do. */
const PROVOKING = `
  import crypto from 'node:crypto';
  import { syncBuiltinESMExports } from 'node:module';
  const input = process.env.SEALPOST_UPSTREAM_PASSWORD;
  const fail = (by) => { throw Object.assign(new Error('provoked by ' + by), { input }); };
  crypto.createHmac = () => fail('HMAC');
  syncBuiltinESMExports();
  process.on('SIGUSR2', () => fail('a signal'));
  if (process.argv[2] === 'config') process.stdout.write = () => fail('output');`;

/** Refuses, and says what was sent, as it came and taken apart. */
const repeatRequest: Interception = async (request, response) => {
  if (request.url !== '/token') return false;
  const body = await allText(request);
  const error_description = `${body} ${decodeURIComponent(body)} ${request.headers.authorization ?? ''}`;
  response.writeHead(400, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: 'invalid_grant', error_description }));
  return true;
};

/** What a program prints, when it has. */
async function shown(run: RelayProcess, pattern: RegExp): Promise<string> {
  for (;;) {
    const [, found] = pattern.exec(run.output) ?? [];
    if (found !== undefined) return found;
    if (run.child.stdout === null) throw new Error('no output');
    await once(run.child.stdout, 'data');
  }
}
