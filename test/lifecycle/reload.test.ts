/**
 * SIGHUP: what the named files say now counts, all of it or nothing, and no session ends for it.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'node:tls';

import { formatHash, hashPassword } from '../../src/listener/password-hash.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay, type LogLine, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { accepted } from '../support/relay-test-bed.ts';
import { ScriptedUpstream, type Script } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { processIds, untilDeliveredBy } from '../support/workers.ts';

const LIMIT = { timeout: 60_000 };
const MESSAGE = 'Subject: x\r\n\r\nHello';
const authority = new TestAuthority();
const identity = authority.issue();
after(() => authority.remove());

let files = 0;
/** A file of its own. @returns its path */
function file(text: string): string {
  const path = join(authority.directory, `file-${(files += 1)}`);
  writeFileSync(path, text);
  return path;
}

/** As an operator should: no reader sees a part of it. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

async function startUpstream(script: Partial<Script> = {}): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
}

async function startAt(upstream: ScriptedUpstream, variables: Variables): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LOG_LEVEL: 'debug',
    ...variables,
  });
}

/** As it is while it is being written. */
function cut(text: string): string {
  return text.slice(0, -100);
}

/** Sends the signal. @returns the new lines of that event, up to the first */
async function reload(
  relay: RelayProcess,
  event: 'config.reloaded' | 'config.refused' = 'config.reloaded',
): Promise<LogLine> {
  const since = relay.log.length;
  relay.child.kill('SIGHUP');
  const isNew = (line: LogLine): boolean => relay.log.indexOf(line) >= since && line.event === event;
  return relay.event(event, isNew);
}

async function send(client: SmtpDialog, from = 'a@x.test', to = 'b@y.test'): Promise<number> {
  return (await client.send(MESSAGE, from, to)).code;
}

/** AUTH PLAIN with that password. */
function saidPassword(upstream: ScriptedUpstream, password: string): number {
  const line = `AUTH PLAIN ${Buffer.from(`\0relay\0${password}`).toString('base64')}`;
  return upstream.commands.filter((command) => command === line).length;
}

for (const workers of ['1', '2']) {
  test(`logs in with a new password and ends no session, SEALPOST_WORKERS=${workers}`, LIMIT, async () => {
    await using upstream = await startUpstream();
    await using steady = await startUpstream();
    const password = file('old-canary\n');
    await using relay = await startAt(upstream, {
      SEALPOST_WORKERS: workers,
      SEALPOST_UPSTREAM_USER: 'relay',
      SEALPOST_UPSTREAM_PASSWORD_FILE: password,
      SEALPOST_UPSTREAM_STEADY_URL: steady.url,
      SEALPOST_ROUTES: 'from=@steady.test -> STEADY',
    });
    const clients = await Promise.all([1, 2, 3, 4].map(async () => SmtpDialog.open(relay.port())));
    for (const client of clients) {
      assert.equal(await send(client, 'a@steady.test'), 250);
      await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
      client.write('Subject: half');
    }
    const known = steady.connections.length;
    replace(password, 'new-canary\n');
    await reload(relay);
    assert.equal(saidPassword(upstream, 'new-canary'), 0);
    for (const client of clients) {
      client.write(' and half\r\n\r\n.\r\n');
      assert.equal((await client.reply()).code, 250);
    }
    await upstream.idle(4);
    for (const client of clients) {
      assert.equal(await send(client), 250);
      assert.equal(await send(client, 'a@steady.test'), 250);
      client.close();
    }
    assert.equal(saidPassword(upstream, 'old-canary'), 4);
    assert.ok(saidPassword(upstream, 'new-canary') > 0);
    assert.equal(steady.connections.length, known, 'an upstream that is the same lost its hops');
    assert.ok(!relay.output.includes('canary'));
  });
}

test('tells every problem of a new configuration, and takes nothing of it', LIMIT, async () => {
  await using upstream = await startUpstream();
  const password = file('right\n');
  const routes = file('from=@nobody.test -> refuse "No."\n');
  await using relay = await startAt(upstream, {
    SEALPOST_UPSTREAM_USER: 'relay',
    SEALPOST_UPSTREAM_PASSWORD_FILE: password,
    SEALPOST_ROUTES_FILE: routes,
  });
  using client = await SmtpDialog.open(relay.port());
  assert.equal(await send(client), 250);
  replace(password, '');
  replace(routes, 'from=@x.test -> refuse "canary-5e"\nfrom=@x.test -> nowhere-canary\n');
  await reload(relay, 'config.refused');
  await relay.event('config.refused', ({ variable }) => variable === 'SEALPOST_ROUTES');
  const told = relay.log.filter(({ event }) => event === 'config.refused');
  assert.deepEqual(
    told.map(({ variable, level }) => [variable, level]),
    [
      ['SEALPOST_UPSTREAM_PASSWORD_FILE', 'error'],
      ['SEALPOST_ROUTES', 'error'],
    ],
  );
  assert.equal(await send(client), 250);
  assert.equal(upstream.connections.length, 1);
  assert.ok(!relay.output.includes('canary'));
  replace(password, 'right\n');
  replace(routes, 'from=@x.test -> refuse "Not any more."\n');
  const { settings } = await reload(relay);
  assert.ok(JSON.stringify(settings).includes('Not any more.'));
  assert.match((await client.command('MAIL FROM:<a@x.test>')).raw, /^550 5\.7\.1 Not any more\./);
});

test('takes nothing where one worker finds a problem, and serves on with all', LIMIT, async () => {
  await using upstream = await startUpstream();
  const routes = file('from=@nobody.test -> refuse\n');
  await using relay = await startAt(upstream, { SEALPOST_WORKERS: '2', SEALPOST_ROUTES_FILE: routes });
  replace(routes, 'from=@x.test -> nowhere\n');
  await reload(relay, 'config.refused');
  await untilDeliveredBy(relay, [1, 2]);
  replace(routes, 'from=@x.test -> refuse\n');
  for (const processId of processIds(relay)) process.kill(processId, 'SIGHUP'); // as from a terminal: to all
  await reload(relay);
  for (let client = 0; client < 10; client += 1) {
    using one = await SmtpDialog.open(relay.port());
    assert.equal(await send(one), 550);
  }
  assert.equal(relay.log.filter(({ event }) => event === 'worker.ended').length, 0);
});

test(
  'refuses certificates that are cut short or do not belong together, and presents whole ones',
  LIMIT,
  async () => {
    const [first, second] = [authority.issue({ intermediate: true }), authority.issue()];
    const other = new TestAuthority('Another CA');
    const [cert, key] = [file(first.cert), file(first.key)];
    const anchors = file(authority.caPem);
    await using upstream = await startUpstream();
    await using relay = await startAt(upstream, {
      SEALPOST_LISTEN_TLS: '127.0.0.1:0',
      SEALPOST_LISTEN_CERT_FILE: cert,
      SEALPOST_LISTEN_KEY_FILE: key,
      SEALPOST_TLS_CA_FILE: anchors,
    });
    await relay.event('listener.started', ({ tls }) => tls === true);
    using open = await tlsClient(relay);
    const presented = [await presentedBy(relay)];
    for (const [path, text, variable] of [
      [cert, cut(first.cert), 'SEALPOST_LISTEN_CERT_FILE'],
      [cert, cut(second.cert), 'SEALPOST_LISTEN_CERT_FILE'], // behind a whole one
      [cert, second.cert, 'SEALPOST_LISTEN_KEY_FILE'], // the key has not been replaced yet
      [key, cut(second.key), 'SEALPOST_LISTEN_KEY_FILE'],
      [anchors, cut(authority.caPem), 'SEALPOST_TLS_CA_FILE'],
      [anchors, authority.caPem + cut(other.caPem), 'SEALPOST_TLS_CA_FILE'],
    ] as const) {
      const whole = readFileSync(path, 'utf8');
      writeFileSync(path, text);
      assert.equal((await reload(relay, 'config.refused'))['variable'], variable);
      writeFileSync(path, whole);
    }
    presented.push(await presentedBy(relay));
    replace(cert, second.cert);
    replace(key, second.key);
    await reload(relay);
    presented.push(await presentedBy(relay));
    const fingerprints = [first, first, second].map(
      ({ cert: pem }) => new X509Certificate(pem).fingerprint256,
    );
    assert.deepEqual(presented, fingerprints);
    assert.equal(await send(open), 250);
    other.remove();
  },
);

test('follows the link that a mounted secret is swapped by, to another authority too', LIMIT, async () => {
  const other = new TestAuthority('Another CA');
  const moved = new TestAuthority().directory;
  const [now, next, data] = ['1', '2', '..data'].map((name) => join(moved, name));
  assert.ok(now !== undefined && next !== undefined && data !== undefined);
  for (const [directory, pem] of [
    [now, authority.caPem],
    [next, other.caPem],
  ] as const) {
    mkdirSync(directory);
    writeFileSync(join(directory, 'ca.pem'), pem);
  }
  symlinkSync(now, data);
  await using upstream = await startUpstream();
  await using relay = await startAt(upstream, { SEALPOST_TLS_CA_FILE: join(data, 'ca.pem') });
  using client = await SmtpDialog.open(relay.port());
  assert.equal(await send(client), 250);
  symlinkSync(next, `${data}.new`);
  renameSync(`${data}.new`, data);
  await reload(relay);
  assert.equal(await send(client), 451, 'the authority that was taken away still counts');
  await relay.event('hop.insecure', ({ resultType }) => resultType === 'certificate-not-trusted');
  other.remove();
});

test('takes new users, keeps who is logged in, and asks for no login again', LIMIT, async () => {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(async (word) => hashPassword(word)));
  assert.ok(ann !== undefined && bob !== undefined);
  const users = file(`ann:${formatHash(ann)}\n`);
  await using upstream = await startUpstream();
  await using relay = await startAt(upstream, {
    SEALPOST_CLIENT_AUTH: 'users',
    SEALPOST_CLIENT_USERS_FILE: users,
  });
  const logIn = async (name: string): Promise<{ client: SmtpDialog; code: number }> => {
    const client = await SmtpDialog.open(relay.port());
    await accepted(client, 'EHLO client.test');
    const response = Buffer.from(`\0${name}\0${name}`).toString('base64');
    return { client, code: (await client.command(`AUTH PLAIN ${response}`)).code };
  };
  const before = [await logIn('ann'), await logIn('bob')];
  replace(users, `bob:${formatHash(bob)}\n`);
  await reload(relay);
  const since = [await logIn('ann'), await logIn('bob')];
  assert.deepEqual(
    [...before, ...since].map(({ code }) => code),
    [235, 535, 535, 235],
  );
  const mail = await Promise.all([before[0], since[1]].map(async (one) => one && send(one.client)));
  assert.deepEqual(mail, [250, 250]);
  for (const { client } of [...before, ...since]) client.close();
});

async function tlsClient(relay: RelayProcess): Promise<SmtpDialog> {
  const client = SmtpDialog.over(await tlsSocket(relay));
  assert.equal((await client.reply()).code, 220);
  return client;
}

async function tlsSocket(relay: RelayProcess): Promise<ReturnType<typeof connect>> {
  const socket = connect({
    host: '127.0.0.1',
    port: relay.port(1),
    ca: authority.caPem,
    servername: 'localhost',
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** @returns the fingerprint of the certificate */
async function presentedBy(relay: RelayProcess): Promise<string> {
  const socket = await tlsSocket(relay);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

for (const workers of ['1', '2']) {
  test(`keeps to its spool until it is restarted, SEALPOST_WORKERS=${workers}`, LIMIT, async () => {
    await using upstream = await startUpstream();
    const spool = file(`file:${join(authority.directory, `spool-${workers}`)}`);
    await using relay = await startAt(upstream, { SEALPOST_WORKERS: workers, SEALPOST_SPOOL_FILE: spool });
    replace(spool, `file:${join(authority.directory, 'another-spool')}`);
    assert.equal((await reload(relay, 'config.refused'))['variable'], 'SEALPOST_SPOOL');
    replace(spool, `file:${join(authority.directory, `spool-${workers}`)}`);
    await reload(relay);
  });
}
