/**
 * Connections that a balancer makes, and their clients.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';

import { TestAuthority } from '../support/pki.ts';
import { proxyV2 } from '../support/proxy-header.ts';
import { startRelay } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const BALANCER = '127.0.0.9';
const authority = new TestAuthority();
const identity = authority.issue();
const { certFile, keyFile } = authority.files(identity);
const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
const relay = await startRelay({
  SEALPOST_UPSTREAM: upstream.url,
  SEALPOST_TLS_CA_FILE: authority.caFile,
  SEALPOST_LISTEN_TLS: '127.0.0.1:0',
  SEALPOST_LISTEN_CERT_FILE: certFile,
  SEALPOST_LISTEN_KEY_FILE: keyFile,
  SEALPOST_PROXY_NETWORKS: `${BALANCER}/32`,
  SEALPOST_CLIENT_NETWORKS: '192.0.2.0/24,2001:db8::/32,127.0.0.1/32',
});
await relay.event('listener.started', (line) => line['tls'] === true);
after(async () => {
  await relay.stop();
  await upstream[Symbol.asyncDispose]();
  authority.remove();
});

async function connection(from: string, listener = 0): Promise<Socket> {
  const socket = connectPlain({ host: '127.0.0.1', port: relay.port(listener), localAddress: from });
  await once(socket, 'connect');
  return socket;
}

async function balanced(header: string | Buffer): Promise<SmtpDialog> {
  const dialog = SmtpDialog.over(await connection(BALANCER));
  dialog.write(header);
  return dialog;
}

const TEXT = 'PROXY TCP4 192.0.2.7 198.51.100.1 55555 25\r\n';
const V6 = Buffer.from(`20010db8${'00'.repeat(11)}0720010db8${'00'.repeat(11)}01d9030019`, 'hex');

/** @returns the trace field of the message that a client delivers */
async function traceOf(client: SmtpDialog): Promise<string> {
  const before = upstream.messages.length;
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
  await upstream.received(before + 1);
  return upstream.messages[before]?.content.toString().split('\r\n\r\n')[0] ?? '';
}

for (const [version, header, client] of [
  ['1', TEXT, '[192.0.2.7]'],
  ['2', proxyV2({ family: 0x21, rest: V6 }), '[IPv6:2001:db8::7]'],
] as const) {
  test(`takes the client's address from a header of version ${version}`, LIMIT, async () => {
    using dialog = await balanced(header);
    assert.equal((await dialog.reply()).code, 220);
    assert.ok((await traceOf(dialog)).includes(client));
  });
}

test('reads a header octet by octet, and what comes in one piece with it', LIMIT, async () => {
  using slow = await balanced('');
  for (const octet of TEXT) slow.write(octet);
  assert.equal((await slow.reply()).code, 220);
  using hasty = await balanced(`${TEXT}EHLO one.piece\r\n`);
  assert.equal((await hasty.reply()).code, 220);
  assert.equal((await hasty.reply()).code, 250);
});

test('judges the client that the header names by SEALPOST_CLIENT_NETWORKS', LIMIT, async () => {
  using dialog = await balanced('PROXY TCP4 203.0.113.9 198.51.100.1 55555 25\r\n');
  const reply = await dialog.reply();
  assert.equal(reply.code, 550);
  assert.match(reply.raw, /SEALPOST_CLIENT_NETWORKS/);
  await relay.event('session.refused', (line) => line['client'] === '203.0.113.9');
});

for (const [name, header] of [
  ['version 1', 'PROXY UNKNOWN\r\n'],
  ['version 2', proxyV2({ command: 0, family: 0, rest: Buffer.alloc(0) })],
] as const) {
  test(`greets a balancer that asks how the relay is (${name})`, LIMIT, async () => {
    using dialog = await balanced(header);
    assert.equal((await dialog.reply()).code, 220);
    assert.equal((await dialog.command('EHLO balancer.test')).code, 250);
  });
}

test('refuses a balancer that sends no header, or a broken one, and names the variable', LIMIT, async () => {
  using plain = await balanced('EHLO x\r\n');
  assert.match((await plain.reply()).raw, /^550 5\.7\.1 .*SEALPOST_PROXY_NETWORKS/);
  await plain.ended();
  using broken = await balanced('PROXY TCP4 nonsense\r\n');
  assert.equal((await broken.reply()).code, 550);
  await broken.ended();
});

test('takes no header from who is no balancer', LIMIT, async () => {
  using dialog = SmtpDialog.over(await connection('127.0.0.1'));
  assert.equal((await dialog.reply()).code, 220);
  dialog.write(TEXT);
  assert.equal(await dialog.ended(), '');
  await relay.event('session.refused', (line) => line['reason'] === 'proxy-header');
});

test('reads the header before the TLS handshake, also when both come in one piece', LIMIT, async () => {
  const socket = await connection(BALANCER, 1);
  socket.cork();
  socket.write(TEXT);
  const secure = connectTls({ socket, ca: authority.caPem, servername: 'localhost' });
  process.nextTick(() => socket.uncork());
  await once(secure, 'secureConnect');
  using dialog = SmtpDialog.over(secure);
  assert.equal((await dialog.reply()).code, 220);
  assert.ok((await traceOf(dialog)).includes('[192.0.2.7]'));
});

test('survives balancers that leave before their header is whole', LIMIT, async () => {
  for (const part of ['', 'PROXY TC', '\r\n\r\n\0']) {
    const leaving = await connection(BALANCER);
    leaving.write(part);
    leaving.resetAndDestroy();
    const closing = await connection(BALANCER);
    closing.end(part);
    await once(closing.resume(), 'close');
  }
  using dialog = await balanced(TEXT);
  assert.equal((await dialog.reply()).code, 220);
});
