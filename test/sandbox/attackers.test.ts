/**
 * The attackers: each does what it says, and nothing to those it does not attack. An attack that does not attack would
 * make every defence look good.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';

import { createTransport } from 'nodemailer';

import { loadOrIssue, type LocalIdentity } from '../../src/certificates/local-authority.ts';
import { hasSecret } from '../../src/sandbox/attackers/find-secret.ts';
import { forgedIdentity } from '../../src/sandbox/attackers/forged-identity.ts';
import { INJECTED, injectAfterStartTls } from '../../src/sandbox/attackers/inject-after-starttls.ts';
import { Middleman } from '../../src/sandbox/attackers/middleman.ts';
import { BAIT, stripStartTls } from '../../src/sandbox/attackers/strip-starttls.ts';
import { condensed, sights } from '../../src/sandbox/attackers/wire.ts';
import { Sandbox, type Endpoint } from '../../src/sandbox/sandbox.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-attackers-'));
let identity: LocalIdentity;
let sandbox: Sandbox;
let received = 0;
before(async () => {
  identity = await loadOrIssue(directory);
  sandbox = await Sandbox.start({
    identity,
    store: async (_envelope, content) => {
      await buffer(content);
      received += 1;
    },
  });
});
after(async () => {
  await sandbox.close();
  rmSync(directory, { recursive: true, force: true });
});

async function sendThrough(endpoint: Endpoint, security: 'implicit' | 'starttls', ca: string): Promise<void> {
  const transport = createTransport({
    host: 'localhost',
    port: endpoint.port,
    secure: security === 'implicit',
    requireTLS: security === 'starttls',
    tls: { ca },
    auth: { user: 'printer', pass: 'canary-password' },
  });
  try {
    await transport.sendMail({
      from: 'a@x.test',
      to: 'b@y.test',
      subject: 'canary-subject',
      text: 'canary-body',
    });
  } finally {
    transport.close();
  }
}

test('a middleman without a tamperer changes nothing and records both sides', async () => {
  await using recorder = await Middleman.before(sandbox.startTls);
  const earlier = received;
  await sendThrough(recorder.endpoint, 'starttls', identity.ca);
  assert.equal(received, earlier + 1);
  const seen = sights(recorder.segments);
  const lines = seen.flatMap((sight) =>
    sight.kind === 'line' && sight.from === 'relay' ? [sight.text] : [],
  );
  assert.match(lines.join('\n'), /^EHLO \S+\nSTARTTLS$/);
  const records = condensed(seen).flatMap((sight) =>
    sight.kind === 'record' ? [`${sight.from} ${sight.content}`] : [],
  );
  assert.deepEqual(records.slice(0, 2), ['relay handshake, ClientHello', 'upstream handshake, ServerHello']);
  assert.ok(records.includes('relay application data'));
  for (const secret of ['canary-password', 'canary-subject', 'canary-body', 'a@x.test']) {
    assert.ok(!hasSecret(recorder.octetsFrom('relay'), secret));
    assert.ok(!hasSecret(recorder.octetsFrom('upstream'), secret));
  }
});

test('a recording of implicit TLS shows records from the first octet', async () => {
  await using recorder = await Middleman.before(sandbox.implicitTls);
  await sendThrough(recorder.endpoint, 'implicit', identity.ca);
  assert.ok(sights(recorder.segments).every((sight) => sight.kind === 'record'));
});

test('what the records carry adds up to what was recorded', async () => {
  await using recorder = await Middleman.before(sandbox.startTls);
  await sendThrough(recorder.endpoint, 'starttls', identity.ca);
  const seen = condensed(sights(recorder.segments)).filter(({ from }) => from === 'relay');
  const octets = seen.reduce(
    (sum, sight) => sum + (sight.kind === 'record' ? sight.octets : sight.text.length + '\r\n'.length),
    0,
  );
  assert.equal(octets, recorder.octetsFrom('relay').length);
});

test('the stripper takes STARTTLS away and offers AUTH instead', async () => {
  await using attacker = await Middleman.before(sandbox.startTls, stripStartTls);
  using dialog = await SmtpDialog.open(attacker.endpoint.port);
  const { lines } = await dialog.command('EHLO client.test');
  assert.ok(!lines.includes('STARTTLS'));
  assert.ok(lines.includes(BAIT));
});

test('the stripper works however the reply is cut', () => {
  const tamper = stripStartTls();
  const whole = '220 x\r\n250-x\r\n250-STARTTLS\r\n250 SIZE 1\r\n250-x\r\n250 starttls\r\n';
  const out = Array.from(whole, (character) => tamper(Buffer.from(character)).toString()).join('');
  assert.equal(out, `220 x\r\n250-x\r\n250-${BAIT}\r\n250 SIZE 1\r\n250-x\r\n250 ${BAIT}\r\n`);
});

test('the injector puts lines behind the reply to STARTTLS, in the same write', async () => {
  await using attacker = await Middleman.before(sandbox.startTls, injectAfterStartTls);
  using dialog = await SmtpDialog.open(attacker.endpoint.port);
  await dialog.command('EHLO client.test');
  assert.equal((await dialog.command('STARTTLS')).code, 220);
  assert.deepEqual((await dialog.reply()).lines, ['mail.example.com at your service', BAIT]);
  const last = attacker.segments.at(-1);
  assert.match(last?.octets.toString() ?? '', /^220 [^\r]*\r\n250-/);
  assert.equal(last?.octets.subarray(-INJECTED.length).toString(), INJECTED);
});

test('a forged identity is good in everything but its issuer', async () => {
  const forged = await forgedIdentity();
  const certificate = new X509Certificate(forged.cert);
  assert.equal(certificate.checkHost('localhost', { subject: 'never' }), 'localhost');
  assert.ok(certificate.validToDate.getTime() > Date.now());
  assert.ok(!certificate.verify(new X509Certificate(identity.ca).publicKey));
});

test('an impostor with a forged identity takes mail from a client that does not verify', async () => {
  let loot = '';
  await using impostor = await Sandbox.start({
    identity: await forgedIdentity(),
    store: async (_envelope, content) => {
      for await (const piece of content) loot += piece.toString();
    },
  });
  await assert.rejects(
    sendThrough(impostor.implicitTls, 'implicit', identity.ca),
    /self-signed|issuer|verify/,
  );
  assert.equal(loot, '');
  const socket = connect({ port: impostor.implicitTls.port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  using dialog = SmtpDialog.over(socket);
  await dialog.reply();
  assert.equal((await dialog.send('canary')).code, 250);
  assert.equal(loot, 'canary\r\n');
});

test('a middleman passes resets and half-closes on and gives its port back', async () => {
  const echo: Server = createServer((socket) => socket.pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address = echo.address();
  assert.ok(typeof address === 'object' && address !== null);
  const middleman = await Middleman.before({ host: '127.0.0.1', port: address.port });
  const dialog = await SmtpDialog.openSilently(middleman.endpoint.port);
  assert.equal((await dialog.command('250 echo')).code, 250);
  dialog.socket.end();
  assert.equal(await dialog.ended(), '');
  await middleman.close();
  echo.close();
  await once(echo, 'close');
});

for (const [what, carrier] of [
  ['as it is', (secret: string) => secret],
  ['as AUTH PLAIN carries it', (secret: string) => base64(`\0user\0${secret}`)],
  ['as AUTH LOGIN carries it', base64],
  ['in base64 behind one octet', (secret: string) => base64(`a${secret}bcd`)],
  ['in base64 behind two octets', (secret: string) => base64(`ab${secret}c`)],
] as const) {
  test(`the search finds a secret ${what}, and no other`, () => {
    const octets = Buffer.from(`noise ${carrier('correct-horse-7')} noise`);
    assert.ok(hasSecret(octets, 'correct-horse-7'));
    assert.ok(!hasSecret(octets, 'correct-house-7'));
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
