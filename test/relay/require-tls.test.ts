/**
 * A client that asks for REQUIRETLS (RFC 8689) on a listener with TLS gets it or a refusal.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'node:tls';

import { TestAuthority } from '../support/pki.ts';
import { startRelay, type RelayProcess } from '../support/relay-process.ts';
import { GOOD_KEYWORDS, ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

const authority = new TestAuthority();
const stranger = new TestAuthority('A stranger');
after(() => {
  authority.remove();
  stranger.remove();
});

const own = authority.issue();
const [cert, key] = ['own.pem', 'own.key'].map((name) => join(authority.directory, name));
if (cert === undefined || key === undefined) throw new Error('two names make two paths');
writeFileSync(cert, own.cert);
writeFileSync(key, own.key, { mode: 0o600 });

async function relayTo(upstream: ScriptedUpstream): Promise<RelayProcess> {
  const relay = await startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LISTEN_TLS: '127.0.0.1:0',
    SEALPOST_LISTEN_CERT_FILE: cert,
    SEALPOST_LISTEN_KEY_FILE: key,
  });
  await relay.event('listener.started', (line) => line['tls'] === true);
  return relay;
}

async function secureClient(relay: RelayProcess): Promise<SmtpDialog> {
  const socket = connect({
    port: relay.port(1),
    host: '127.0.0.1',
    ca: authority.caPem,
    servername: 'localhost',
  });
  await once(socket, 'secureConnect');
  const dialog = SmtpDialog.over(socket);
  await dialog.reply();
  return dialog;
}

async function asks(client: SmtpDialog): Promise<DialogReply> {
  await client.command('EHLO client.test');
  return client.command('MAIL FROM:<a@x.test> REQUIRETLS');
}

test('passes REQUIRETLS on to an upstream that offers it, and then offers it inside TLS only', async () => {
  const keywords = [...GOOD_KEYWORDS, 'REQUIRETLS'];
  await using upstream = await ScriptedUpstream.start({
    mode: 'implicit',
    identity: authority.issue(),
    keywords,
  });
  await using relay = await relayTo(upstream);
  using client = await secureClient(relay);
  assert.equal((await asks(client)).code, 250);
  await client.command('RCPT TO:<b@y.test>');
  assert.ok(upstream.commands.includes('MAIL FROM:<a@x.test> REQUIRETLS'));
  assert.ok((await client.command('EHLO client.test')).lines.includes('REQUIRETLS'));
  using plain = await SmtpDialog.open(relay.port());
  assert.ok(!(await plain.command('EHLO client.test')).lines.includes('REQUIRETLS'));
  assert.match((await plain.command('MAIL FROM:<a@x.test> REQUIRETLS')).raw, /^530 5\.7\.0 /);
});

test('refuses with 550 5.7.30 when the upstream does not offer it', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  await using relay = await relayTo(upstream);
  using client = await secureClient(relay);
  assert.match((await asks(client)).raw, /^550 5\.7\.30 /);
  assert.equal((await client.command('MAIL FROM:<a@x.test>')).code, 250, 'without it the message may go');
});

test('refuses with 550 5.7.10 when the hop cannot be secured', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: stranger.issue() });
  await using relay = await relayTo(upstream);
  using client = await secureClient(relay);
  assert.match((await asks(client)).raw, /^550 5\.7\.10 /);
  assert.match((await client.command('MAIL FROM:<a@x.test>')).raw, /^451 4\.7\.5 /);
});
