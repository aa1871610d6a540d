/**
 * TLS towards clients: listeners that speak it at once, STARTTLS where it is switched on, and what must not leak through.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';

import { TestAuthority } from '../support/pki.ts';
import { startRelay, type LogLine, type RelayProcess } from '../support/relay-process.ts';
import { RelayTestBed, accepted, mailCommands } from '../support/relay-test-bed.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const directory = mkdtempSync(join(tmpdir(), 'sealpost-client-tls-'));
const stateDirectory = join(directory, 'state');
const operator = new TestAuthority('Operator CA');
const files = operatorFiles();
const plainAndTls = { SEALPOST_LISTEN_TLS: '127.0.0.1:0', SEALPOST_LISTEN_STARTTLS: 'on' };

const [local, own] = await Promise.all([
  RelayTestBed.start({ variables: { ...plainAndTls, SEALPOST_STATE_DIR: stateDirectory } }),
  RelayTestBed.start({
    variables: {
      ...plainAndTls,
      SEALPOST_LISTEN_CERT_FILE: files.cert,
      SEALPOST_LISTEN_KEY_FILE: files.key,
      SEALPOST_STATE_DIR: join(directory, 'unused'),
    },
  }),
]);
await Promise.all(
  [local, own].map(async (bed) => bed.relay.event('listener.started', () => listeners(bed).length === 2)),
);
after(async () => {
  await Promise.all([local.stop(), own.stop()]);
  operator.remove();
  rmSync(directory, { recursive: true, force: true });
});

const CERTIFICATES = [
  ['the local CA', local, (): string => localAuthority()],
  ['the operator’s certificate', own, (): string => operator.caPem],
] as const;

for (const [whose, bed, trusted] of CERTIFICATES) {
  test(`serves implicit TLS with ${whose}`, LIMIT, async () => {
    const scene = bed.begin();
    const socket = await handshake(connect({ ...tlsEnd(bed), servername: 'localhost', ca: trusted() }));
    using client = SmtpDialog.over(socket);
    assert.equal((await client.reply()).code, 220);
    const ehlo = await accepted(client, 'EHLO client.test');
    assert.ok(!ehlo.lines.includes('STARTTLS'), 'TLS is not offered inside TLS');
    assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
    assert.match(scene.messages[0]?.content.toString() ?? '', /^Received:[^;]* with ESMTPS /);
    assert.ok([503, 502, 500].includes((await client.command('STARTTLS')).code));
  });

  test(`serves STARTTLS with ${whose}`, LIMIT, async () => {
    const scene = bed.begin();
    using plain = await SmtpDialog.open(plainPort(bed));
    const before = await accepted(plain, 'EHLO client.test');
    assert.ok(before.lines.includes('STARTTLS'));
    using client = await upgrade(plain, trusted());
    const inside = await accepted(client, 'EHLO client.test');
    assert.ok(!inside.lines.includes('STARTTLS'));
    assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
    assert.match(scene.messages[0]?.content.toString() ?? '', /^Received:[^;]* with ESMTPS /);
  });
}

test('still serves clients that do not upgrade where STARTTLS is on', LIMIT, async () => {
  local.begin();
  using client = await SmtpDialog.open(plainPort(local));
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
});

test(
  'keeps state directory and keys unreadable for others, and makes no files when it has a certificate',
  LIMIT,
  () => {
    assert.equal(statSync(stateDirectory).mode & 0o077, 0);
    for (const file of pemFiles(stateDirectory)) {
      if (readFileSync(file, 'utf8').includes('PRIVATE KEY'))
        assert.equal(statSync(file).mode & 0o077, 0, file);
    }
    assert.throws(() => readdirSync(join(directory, 'unused')), { code: 'ENOENT' });
  },
);

test('executes no command that was injected behind STARTTLS', LIMIT, async () => {
  const scene = own.begin();
  using plain = await SmtpDialog.open(plainPort(own));
  await accepted(plain, 'EHLO client.test');
  plain.write('STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<victim@y.test>\r\n');
  const socket = await upgradeAfterReply(plain, operator.caPem).catch(() => undefined);
  if (socket !== undefined) {
    using client = SmtpDialog.over(socket);
    const first = await client.command('NOOP').catch(() => undefined); // the end of the connection is as good
    assert.ok(first === undefined || !/evil|PIPELINING/.test(first.raw), 'no answer to the injected EHLO');
    const second = first === undefined ? undefined : await client.command('RCPT TO:<b@y.test>');
    assert.ok(second === undefined || second.code === 503, 'the injected MAIL opened no transaction');
  }
  assert.deepEqual(mailCommands(scene), []);
  await own.delivers();
});

test('forgets EHLO and MAIL of before the handshake', LIMIT, async () => {
  const scene = own.begin();
  using plain = await SmtpDialog.open(plainPort(own));
  await accepted(plain, 'EHLO clear.test', 'MAIL FROM:<early@x.test>', 'RCPT TO:<early@y.test>');
  const reply = await plain.command('STARTTLS');
  if (reply.code === 220) {
    using client = SmtpDialog.over(
      await handshake(connect({ socket: plain.socket, servername: 'localhost', ca: operator.caPem })),
    );
    assert.equal((await client.command('DATA')).code, 503);
    assert.ok([503, 250].includes((await client.command('RCPT TO:<late@y.test>')).code));
    assert.equal((await client.send('Subject: x\r\n\r\nHello', 'late@x.test')).code, 250);
  } else {
    assert.equal(reply.code, 503, 'refusing STARTTLS inside a transaction is as good');
    await accepted(plain, 'RSET');
    assert.equal((await plain.send('Subject: x\r\n\r\nHello', 'late@x.test')).code, 250);
  }
  assert.deepEqual(
    scene.messages.map(({ mail, rcpts }) => [mail, ...rcpts]),
    [['MAIL FROM:<late@x.test>', 'RCPT TO:<b@y.test>']],
  );
});

test('refuses a second STARTTLS inside TLS', LIMIT, async () => {
  using plain = await SmtpDialog.open(plainPort(own));
  await accepted(plain, 'EHLO client.test');
  using client = await upgrade(plain, operator.caPem);
  await accepted(client, 'EHLO client.test');
  assert.ok([500, 502, 503].includes((await client.command('STARTTLS')).code));
  await accepted(client, 'NOOP');
});

test('survives plain text on the TLS port and a handshake that breaks off', LIMIT, async () => {
  const { port } = tlsEnd(own);
  using plain = await SmtpDialog.openSilently(port);
  plain.write('EHLO client.test\r\n');
  await plain.ended();
  using half = await SmtpDialog.openSilently(port);
  half.write(Buffer.from('1603010200010001fc0303', 'hex'));
  half.socket.resetAndDestroy();
  using starting = await SmtpDialog.open(plainPort(own));
  await accepted(starting, 'EHLO client.test', 'STARTTLS');
  starting.write('this is no ClientHello at all, is it?\r\n');
  await starting.ended();
  await own.delivers();
});

test('ends an HTTP request inside TLS', LIMIT, async () => {
  const socket = await handshake(connect({ ...tlsEnd(own), servername: 'localhost', ca: operator.caPem }));
  using client = SmtpDialog.over(socket);
  assert.equal((await client.reply()).code, 220);
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\nEHLO evil.test\r\n');
  assert.doesNotMatch(await client.ended(), /^250/m);
});

test('takes no TLS older than 1.2 from clients', LIMIT, async () => {
  const { host, port } = tlsEnd(own);
  const socket = connect({
    host,
    port,
    servername: 'localhost',
    ca: operator.caPem,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  await assert.rejects(handshake(socket));
});

for (const [name, visit] of [
  [
    'left right behind its handshake',
    async (port: number) => {
      const socket = await handshake(
        connect({ host: '127.0.0.1', port, servername: 'localhost', ca: operator.caPem }),
      );
      socket.destroy();
      await once(socket, 'close');
    },
  ],
  [
    'never began its handshake',
    async (port: number) => {
      silent = await SmtpDialog.openSilently(port);
    },
  ],
] as const) {
  test(`stops at once, exit code 0, after a TLS client that ${name}`, { timeout: 10_000 }, async () => {
    const relay = await tlsOnly();
    await relay.event('listener.started', (line) => line['tls'] === true);
    await visit(relay.port(1));
    await relay.stop();
    silent?.close();
    assert.equal(relay.child.exitCode, 0, relay.output);
  });
}

let silent: SmtpDialog | undefined;

async function tlsOnly(): Promise<RelayProcess> {
  const relay = await startRelay({
    SEALPOST_UPSTREAM: own.upstream.url,
    SEALPOST_LISTEN_TLS: '127.0.0.1:0',
    SEALPOST_LISTEN_CERT_FILE: files.cert,
    SEALPOST_LISTEN_KEY_FILE: files.key,
  });
  process.once('exit', () => relay.child.kill('SIGKILL'));
  return relay;
}

function listeners(bed: RelayTestBed): readonly LogLine[] {
  return bed.relay.log.filter((line) => line.event === 'listener.started');
}

function plainPort(bed: RelayTestBed): number {
  return Number(listeners(bed).find((line) => line['tls'] === false)?.['port']);
}

function tlsEnd(bed: RelayTestBed): { host: string; port: number } {
  return { host: '127.0.0.1', port: Number(listeners(bed).find((line) => line['tls'] === true)?.['port']) };
}

async function handshake(socket: TLSSocket): Promise<TLSSocket> {
  await once(socket, 'secureConnect');
  assert.ok(['TLSv1.2', 'TLSv1.3'].includes(socket.getProtocol() ?? ''));
  return socket;
}

async function upgrade(plain: SmtpDialog, ca: string): Promise<SmtpDialog> {
  plain.write('STARTTLS\r\n');
  return SmtpDialog.over(await upgradeAfterReply(plain, ca));
}

async function upgradeAfterReply(plain: SmtpDialog, ca: string): Promise<TLSSocket> {
  assert.equal((await plain.reply()).code, 220);
  plain.socket.removeAllListeners('data');
  return handshake(connect({ socket: plain.socket, servername: 'localhost', ca }));
}

function operatorFiles(): { cert: string; key: string } {
  const identity = operator.issue();
  const paths = { cert: join(directory, 'own.pem'), key: join(directory, 'own.key') };
  writeFileSync(paths.cert, identity.cert);
  writeFileSync(paths.key, identity.key, { mode: 0o600 });
  return paths;
}

function pemFiles(root: string): readonly string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name));
  return names.filter((path) => statSync(path).isFile() && readFileSync(path, 'utf8').includes('-----BEGIN'));
}

/** The CA certificate under the state directory, wherever it is kept. */
function localAuthority(): string {
  for (const path of pemFiles(stateDirectory)) {
    const text = readFileSync(path, 'utf8');
    if (text.includes('BEGIN CERTIFICATE') && new X509Certificate(text).ca) return text;
  }
  throw new Error('there is no CA certificate under the state directory');
}
