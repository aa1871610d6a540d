/**
 * `sealpost login`, with somebody at a browser: the device flow, and the code that comes back to loopback.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as allText } from 'node:stream/consumers';
import { after, beforeEach, suite, test } from 'node:test';

import { AuthorizationServer, SCOPE } from '../support/authorization-server.ts';
import { USER } from '../support/oauth-bed.ts';
import { PersonWithBrowser } from '../support/person-with-browser.ts';
import { TestAuthority } from '../support/pki.ts';
import { runSealpost, startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { TokenUpstream } from '../support/token-upstream.ts';

suite('sealpost login', { timeout: 120_000 }, async () => {
  const authority = new TestAuthority();
  const server = await AuthorizationServer.start(authority);
  const tokens = new TokenUpstream(server);
  const upstream = await ScriptedUpstream.start({
    mode: 'implicit',
    identity: authority.issue(),
    keywords: ['8BITMIME', 'AUTH XOAUTH2'],
    answer: tokens.answer,
  });
  const directory = mkdtempSync(join(tmpdir(), 'sealpost-login-'));
  let states = 0;
  let variables: Variables = {};

  beforeEach(() => {
    server.intercept = undefined;
    variables = {
      SEALPOST_UPSTREAM: upstream.url,
      SEALPOST_UPSTREAM_USER: USER,
      SEALPOST_TLS_CA_FILE: authority.caFile,
      SEALPOST_STATE_DIR: join(directory, `state${(states += 1)}`),
      SEALPOST_OAUTH_GRANT: 'refresh-token',
      SEALPOST_OAUTH_CLIENT_ID: 'native-client',
      SEALPOST_OAUTH_SCOPE: SCOPE,
      SEALPOST_OAUTH_TOKEN_URL: server.tokenUrl,
      SEALPOST_OAUTH_DEVICE_URL: server.deviceUrl,
      SEALPOST_OAUTH_AUTHORIZATION_URL: `${server.authorizationUrl}?prompt=consent`,
    };
  });
  after(async () => {
    await upstream[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    authority.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  const person = (): PersonWithBrowser => new PersonWithBrowser(USER, authority.caPem);

  /** The polls of the device flow, at once: RFC 8628 lets the server say how often. */
  function hurry(): void {
    server.intercept = (request, response) => {
      if (request.url !== '/device/auth') return false;
      const end = response.end.bind(response);
      const hurried = (body: string): void => {
        response.removeHeader('content-length');
        end(body.replace(/}$/, ',"interval":0.1}'));
      };
      Object.assign(response, { end: hurried });
      return false;
    };
  }

  function assertKept(process: RelayProcess): void {
    const kept = join(variables['SEALPOST_STATE_DIR'] ?? '', 'oauth');
    assert.equal(statSync(kept).mode & 0o777, 0o700);
    const [file = '', ...others] = readdirSync(kept);
    assert.deepEqual(others, []);
    assert.equal(statSync(join(kept, file)).mode & 0o777, 0o600);
    const stored = readFileSync(join(kept, file), 'utf8');
    const refreshToken = /"refreshToken":"([^"]+)"/.exec(stored)?.[1] ?? '';
    assert.ok(server.issued.has(refreshToken));
    for (const token of server.issued) assert.ok(!process.output.includes(token), 'a token is printed');
    assert.match(process.output, /Logged in\..*sealpost serve.*sealpost check/s);
  }

  async function delivers(): Promise<void> {
    await using relay = await startRelay(variables);
    using client = await SmtpDialog.open(relay.port());
    assert.match((await client.send('Subject: scan\r\n\r\nA page.')).raw, /^250 /);
    assert.equal(tokens.logins.at(-1)?.user, USER);
  }

  test('shows a code for a browser anywhere, and keeps what lets the relay deliver', async () => {
    hurry();
    const process = runSealpost(['login'], variables);
    const url = await shown(process, /Open this page[^:]*:\s+(https:\S+)/);
    const code = await shown(process, /enter this code:\s+(\S+)/);
    await person().goThrough(url, code);
    assert.equal(await ended(process), 0, process.output);
    assertKept(process);
    await delivers();
  });

  test('shows a page for a browser here, whose answer comes to loopback, and keeps the same', async () => {
    const process = runSealpost(['login', '--browser'], variables);
    const url = new URL(await shown(process, /Open this page[^:]*:\s+(https:\S+)/));
    assert.equal(url.searchParams.get('code_challenge_method'), 'S256');
    assert.equal(url.searchParams.get('prompt'), 'consent');
    const redirect = url.searchParams.get('redirect_uri') ?? '';
    assert.match(redirect, /^http:\/\/127\.0\.0\.1:\d+$/);
    const forged = await fetch(`${redirect}/?code=stolen&state=guessed`);
    assert.equal(forged.status, 404);
    for (const target of ['/favicon.ico', '//', 'http://[/'])
      assert.match(await askedRaw(redirect, target), /^HTTP\/1\.1 4\d\d /, target);
    assert.match(await person().goThrough(url.href), /close this window/);
    assert.equal(await ended(process), 0, process.output);
    assertKept(process);
    await delivers();
  });

  test('is taken up by a relay that is running', async () => {
    hurry();
    await using relay = await startRelay(variables);
    using before = await SmtpDialog.open(relay.port());
    await before.command('EHLO client.test');
    const refused = await before.command('MAIL FROM:<a@example.test>');
    assert.match(
      refused.raw,
      /^454 4\.7\.0 The relay has no login for the upstream yet; run: sealpost login/,
    );
    const process = runSealpost(['login'], variables);
    const url = await shown(process, /(https:\S+user_code=\S+)/);
    await person().goThrough(url, await shown(process, /enter this code:\s+(\S+)/));
    assert.equal(await ended(process), 0, process.output);
    using client = await SmtpDialog.open(relay.port());
    assert.match((await client.send('Subject: scan\r\n\r\nA page.')).raw, /^250 /);
  });

  test('logs in for an upstream with a name, which its route then delivers to', async () => {
    hurry();
    const named: Record<string, string | undefined> = {
      SEALPOST_TLS_CA_FILE: variables['SEALPOST_TLS_CA_FILE'],
      SEALPOST_STATE_DIR: variables['SEALPOST_STATE_DIR'],
      SEALPOST_UPSTREAM: 'smtps://main.test',
      SEALPOST_UPSTREAM_MS_URL: upstream.url,
      SEALPOST_UPSTREAM_MS_USER: USER,
      SEALPOST_ROUTES: '-> ms',
    };
    for (const [name, text] of Object.entries(variables))
      if (name.startsWith('SEALPOST_OAUTH_'))
        named[name.replace('SEALPOST_', 'SEALPOST_UPSTREAM_MS_')] = text;
    variables = named;
    await using relay = await startRelay(variables);
    using before = await SmtpDialog.open(relay.port());
    await before.command('EHLO client.test');
    const refused = await before.command('MAIL FROM:<a@example.test>');
    assert.match(refused.raw, /^454 4\.7\.0 .* run: sealpost login MS$/);
    const unnamed = runSealpost(['login'], variables);
    assert.equal(await ended(unnamed), 78);
    assert.match(unnamed.output, /SEALPOST_OAUTH_GRANT should be .* sealpost login MS/);
    const unknown = runSealpost(['login', 'other'], variables);
    assert.equal(await ended(unknown), 64);
    assert.match(unknown.output, /no such upstream; those with a name are: MS/);
    const process = runSealpost(['login', 'ms'], variables);
    const url = await shown(process, /Open this page[^:]*:\s+(https:\S+)/);
    await person().goThrough(url, await shown(process, /enter this code:\s+(\S+)/));
    assert.equal(await ended(process), 0, process.output);
    assertKept(process);
    using client = await SmtpDialog.open(relay.port());
    assert.match((await client.send('Subject: scan\r\n\r\nA page.')).raw, /^250 /);
    assert.equal(tokens.logins.at(-1)?.user, USER);
  });

  test('lets nobody log in for what could not be kept', async () => {
    const blocked = join(directory, 'blocked');
    writeFileSync(blocked, 'a file where the directory would be');
    const process = runSealpost(['login'], { ...variables, SEALPOST_STATE_DIR: blocked });
    assert.equal(await ended(process), 69);
    assert.match(process.output, /cannot use the file of its login .*check SEALPOST_STATE_DIR/);
    assert.doesNotMatch(process.output, /Open this page/);
  });

  test('says so when somebody refuses it in the browser', async () => {
    const process = runSealpost(['login', '--browser'], variables);
    const url = new URL(await shown(process, /Open this page[^:]*:\s+(https:\S+)/));
    const state = url.searchParams.get('state') ?? '';
    await fetch(`${url.searchParams.get('redirect_uri')}/?error=access_denied&state=${state}`);
    assert.equal(await ended(process), 69);
    assert.match(process.output, /the login was refused in the browser; run it again/);
  });

  test('goes on asking when the provider is away for a moment, and gives up when it stays away', async () => {
    const answers: (number | string)[] = [503, 'authorization_pending', 'none', 502, 302, 503];
    const asked: (number | string)[] = [];
    hurry();
    const { intercept: hurried } = server;
    server.intercept = async (request, response) => {
      if (request.url !== '/token') return (await hurried?.(request, response)) ?? false;
      const answer = answers[asked.length] ?? 'too many';
      asked.push(answer);
      if (answer === 'none') request.socket.destroy();
      else if (typeof answer === 'number') response.writeHead(answer).end('<html>');
      else response.writeHead(400, { 'content-type': 'application/json' }).end(`{"error":"${answer}"}`);
      return true;
    };
    const process = runSealpost(['login'], variables);
    assert.equal(await ended(process), 69);
    assert.deepEqual(asked, answers);
    assert.match(process.output, /gives no token at present \(HTTP 503\)/);
  });

  test('ends when the code has expired, however long the provider asks to wait', async () => {
    server.intercept = (request, response) => {
      if (request.url !== '/device/auth') return false;
      const given = { device_code: 'd', user_code: 'u', verification_uri: 'https://localhost/device' };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ ...given, expires_in: 1, interval: 1e12 }));
      return true;
    };
    server.tokenRequests.splice(0);
    const process = runSealpost(['login'], variables);
    assert.equal(await ended(process), 69);
    assert.match(process.output, /nobody logged in in time/);
    assert.deepEqual(server.tokenRequests, []);
  });

  test('slows down when the provider says so, and ends when the code has expired', async () => {
    const answers = ['authorization_pending', 'slow_down', 'expired_token'];
    const times: number[] = [];
    hurry();
    const { intercept: hurried } = server;
    server.intercept = async (request, response) => {
      if (request.url !== '/token') return (await hurried?.(request, response)) ?? false;
      times.push(Date.now());
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: answers[times.length - 1] }));
      return true;
    };
    const process = runSealpost(['login'], variables);
    assert.equal(await ended(process), 69);
    assert.match(process.output, /nobody logged in in time; run it again/);
    assert.equal(times.length, 3);
    const [, second = 0, third = 0] = times;
    assert.ok(third - second >= 5_000, 'RFC 8628 §3.5: five seconds more');
  });

  test('says so when the provider does not know the client', async () => {
    const process = runSealpost(['login'], { ...variables, SEALPOST_OAUTH_CLIENT_ID: 'nobody' });
    assert.equal(await ended(process), 69);
    assert.match(process.output, /does not accept the relay as a client \(invalid_client/);
  });

  test('has no use where nobody logs in, and says which variable it wants', async () => {
    const wishes = [
      [{ SEALPOST_OAUTH_DEVICE_URL: undefined }, 'SEALPOST_OAUTH_DEVICE_URL is required to log in'],
      [
        {
          SEALPOST_OAUTH_GRANT: 'client-credentials',
          SEALPOST_OAUTH_CLIENT_SECRET: 'x',
          SEALPOST_OAUTH_DEVICE_URL: undefined,
          SEALPOST_OAUTH_AUTHORIZATION_URL: undefined,
        },
        'SEALPOST_OAUTH_GRANT should be refresh-token',
      ],
    ] as const;
    for (const [wish, text] of wishes) {
      const process = runSealpost(['login'], { ...variables, ...wish });
      assert.equal(await ended(process), 78);
      assert.ok(process.output.includes(text), process.output);
    }
  });

  test('explains itself', async () => {
    const process = runSealpost(['login', '--help']);
    assert.equal(await ended(process), 0);
    assert.match(process.output, /^Usage: sealpost login/);
  });
});

/** The answer to a request whose target no browser would send. */
async function askedRaw(url: string, target: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(`GET ${target} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  return allText(socket);
}

async function ended(process: RelayProcess): Promise<number | null> {
  if (process.child.exitCode === null) await once(process.child, 'close');
  return process.child.exitCode;
}

async function shown(process: RelayProcess, pattern: RegExp): Promise<string> {
  for (;;) {
    const found = pattern.exec(process.output)?.[1];
    if (found !== undefined) return found;
    if (process.child.exitCode !== null) throw new Error(`it ended:\n${process.output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
