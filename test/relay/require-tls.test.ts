/**
 * REQUIRETLS (RFC 8689): who asks for it on a listener with TLS gets it or a refusal; the operator can ask for all.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'node:tls';

import { TestAuthority } from '../support/pki.ts';
import { startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
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

async function relayTo(upstream: ScriptedUpstream, variables: Variables = {}): Promise<RelayProcess> {
  const relay = await startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    ...variables,
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

async function upstreamWith(...more: readonly string[]): Promise<ScriptedUpstream> {
  const keywords = [...GOOD_KEYWORDS, ...more];
  return ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue(), keywords });
}

/** What MAIL was for a message with that header from a client that knows nothing of REQUIRETLS, and its last reply. */
async function sendsPlainly(
  upstream: ScriptedUpstream,
  variables: Variables,
  header = 'Subject: x',
): Promise<{ readonly reply: DialogReply; readonly mail: readonly string[] }> {
  await using relay = await relayTo(upstream, variables);
  using client = await SmtpDialog.open(relay.port());
  const reply = await client.send(`${header}\r\n\r\nHello`, 'a@x.test', 'b@y.test');
  return { reply, mail: upstream.commands.filter((line) => line.startsWith('MAIL')) };
}

test('asks for nothing by itself', async () => {
  await using upstream = await upstreamWith('REQUIRETLS');
  const { reply, mail } = await sendsPlainly(upstream, {});
  assert.equal(reply.code, 250, reply.raw);
  assert.deepEqual(mail, ['MAIL FROM:<a@x.test>']);
});

test('asks for every message where it is offered, when the operator wants that', async () => {
  await using upstream = await upstreamWith('REQUIRETLS');
  const { reply, mail } = await sendsPlainly(upstream, { SEALPOST_REQUIRETLS: 'when-offered' });
  assert.equal(reply.code, 250, reply.raw);
  assert.deepEqual(mail, ['MAIL FROM:<a@x.test> REQUIRETLS']);
});

test('delivers without where it is not offered and only asked for when offered', async () => {
  await using upstream = await upstreamWith();
  const { reply, mail } = await sendsPlainly(upstream, { SEALPOST_REQUIRETLS: 'when-offered' });
  assert.equal(reply.code, 250, reply.raw);
  assert.deepEqual(mail, ['MAIL FROM:<a@x.test>']);
});

test('refuses every message with 550 5.7.30 where it is not offered and the operator requires it', async () => {
  await using upstream = await upstreamWith();
  const { reply, mail } = await sendsPlainly(upstream, { SEALPOST_REQUIRETLS: 'require' });
  assert.match(reply.raw, /^550 5\.7\.30 /);
  assert.deepEqual(mail, []);
});

test('says it once to an upstream when both the client and the operator ask', async () => {
  await using upstream = await upstreamWith('REQUIRETLS');
  await using relay = await relayTo(upstream, { SEALPOST_REQUIRETLS: 'require' });
  using client = await secureClient(relay);
  assert.equal((await asks(client)).code, 250);
  await client.command('RCPT TO:<b@y.test>');
  assert.ok(upstream.commands.includes('MAIL FROM:<a@x.test> REQUIRETLS'));
});

test('takes another upstream of the list that offers it', async () => {
  await using without = await upstreamWith();
  await using having = await upstreamWith('REQUIRETLS');
  const list = { SEALPOST_UPSTREAM: `${without.url},${having.url}`, SEALPOST_REQUIRETLS: 'require' };
  const { reply } = await sendsPlainly(without, list);
  assert.equal(reply.code, 250, reply.raw);
  assert.ok(having.commands.includes('MAIL FROM:<a@x.test> REQUIRETLS'));
  assert.ok(
    !without.commands.some((line) => line.startsWith('MAIL')),
    'nothing is said where it is not offered',
  );
});

test('weakens nothing for a message that says TLS-Required: No', async () => {
  await using good = await upstreamWith('REQUIRETLS');
  const asked = await sendsPlainly(good, { SEALPOST_REQUIRETLS: 'require' }, 'TLS-Required: No');
  assert.equal(asked.reply.code, 250, asked.reply.raw);
  assert.deepEqual(asked.mail, ['MAIL FROM:<a@x.test> REQUIRETLS']);
  assert.match(
    good.messages[0]?.content.toString() ?? '',
    /^TLS-Required: No\r$/m,
    'the field arrives unchanged',
  );
  await using bad = await ScriptedUpstream.start({ mode: 'implicit', identity: stranger.issue() });
  const refused = await sendsPlainly(bad, {}, 'TLS-Required: No');
  assert.match(refused.reply.raw, /^451 4\.7\.5 /);
  assert.equal(bad.secured, '');
});
