/**
 * Clients that know only TLS 1.0 and 1.1, judged by openssl.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { startRelay } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';

const LIMIT = { timeout: 30_000 };
const authority = new TestAuthority();
const identity = authority.issue();
const { certFile, keyFile } = authority.files(identity);
const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
const relay = await startRelay({
  SEALPOST_UPSTREAM: upstream.url,
  SEALPOST_TLS_CA_FILE: authority.caFile,
  SEALPOST_LISTEN_TLS: '127.0.0.1:0',
  SEALPOST_LISTEN_STARTTLS: 'on',
  SEALPOST_LISTEN_CERT_FILE: certFile,
  SEALPOST_LISTEN_KEY_FILE: keyFile,
  SEALPOST_LISTEN_OLD_TLS_NETWORKS: '127.0.0.2/32',
});
await relay.event('listener.started', (line) => line['tls'] === true);
after(async () => {
  await relay.stop();
  await upstream[Symbol.asyncDispose]();
  authority.remove();
});

const OLD = '127.0.0.2';
const OTHER = '127.0.0.3';

/** @param from address of the client @returns what openssl says of the handshake */
async function shake(
  from: string,
  version: string,
  tls: 'implicit' | 'starttls',
  name?: string,
): Promise<string> {
  const port = relay.port(tls === 'implicit' ? 1 : 0);
  const where = ['-connect', `127.0.0.1:${port}`, '-bind', `${from}:0`];
  const how = tls === 'implicit' ? [] : ['-starttls', 'smtp'];
  const sni = name === undefined ? ['-noservername'] : ['-servername', name];
  const args = ['s_client', ...where, ...how, ...sni, `-${version}`, '-cipher', 'ALL@SECLEVEL=0'];
  const child = spawn('openssl', [...args, '-CAfile', authority.caFile], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end('QUIT\r\n');
  await new Promise((resolve) => child.once('close', resolve));
  return said;
}

/** The cipher line of `s_client` names what was agreed on. */
function agreed(said: string): string | undefined {
  return /^New, .*Cipher is (?!\(NONE\))/m.test(said) ? /Protocol\s*: (\S+)/.exec(said)?.[1] : undefined;
}

for (const tls of ['implicit', 'starttls'] as const) {
  for (const [flag, protocol] of [
    ['tls1', 'TLSv1'],
    ['tls1_1', 'TLSv1.1'],
    ['tls1_2', 'TLSv1.2'],
  ] as const) {
    test(`lets a client of a named network use ${protocol} (${tls})`, LIMIT, async () => {
      assert.equal(agreed(await shake(OLD, flag, tls)), protocol);
      assert.equal(agreed(await shake(OLD, flag, tls, 'localhost')), protocol);
    });
  }

  for (const flag of ['tls1', 'tls1_1']) {
    test(`gives a client of another network no ${flag} (${tls})`, LIMIT, async () => {
      assert.equal(agreed(await shake(OTHER, flag, tls)), undefined);
      assert.equal(agreed(await shake(OTHER, flag, tls, 'localhost')), undefined);
    });
  }

  test(`serves a client of another network by TLS 1.2 (${tls})`, LIMIT, async () => {
    assert.equal(agreed(await shake(OTHER, 'tls1_2', tls, 'localhost')), 'TLSv1.2');
  });
}

test('uses no old TLS to the upstream, whatever clients may', LIMIT, async () => {
  upstream.play({
    mode: 'implicit',
    identity,
    tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' },
  });
  const { SmtpDialog } = await import('../support/smtp-dialog.ts');
  using client = await SmtpDialog.open(relay.port());
  await client.command('EHLO client.test');
  assert.match((await client.command('MAIL FROM:<a@x.test>')).raw, /^451 4\.7\.5 /);
});
