/**
 * The status over HTTP: who may ask for it, what it tells, and what it never tells.
 */
import assert from 'node:assert/strict';
import { request, type RequestOptions } from 'node:https';
import { after, test } from 'node:test';

import { askAdmin } from '../support/admin-answer.ts';
import { authority, identity, scene, sendTo } from '../support/pool-scene.ts';
import { startRelay, type RelayProcess } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { statusEvents, wholeStatus } from '../support/status-events.ts';
import { startWorkers, untilDeliveredBy } from '../support/workers.ts';

after(() => authority.remove());

const ADMIN = { SEALPOST_ADMIN_LISTEN: '127.0.0.1:0' };
const TOKEN = '0123456789abcdef';

test('answers a foreign name with 421, whatever it asks for', async () => {
  await using stage = await scene({}, ADMIN);
  for (const path of ['/', '/events', '/status.js', '/uplot.js', '/nothing']) {
    const { status, text } = await askAdmin(stage.relay, path, { headers: { host: 'attacker.example' } });
    assert.equal(status, 421);
    assert.doesNotMatch(text, /Sealpost/);
  }
});

test('answers two names with 400, though one of them is its own', async () => {
  await using stage = await scene({}, ADMIN);
  for (const headers of [
    ['Host', 'localhost', 'Host', 'attacker.example'],
    ['Host', 'attacker.example', 'Host', 'localhost'],
  ])
    assert.equal((await askAdmin(stage.relay, '/', { headers })).status, 400);
});

test('shows what a client said of a message that it gave up, and nothing where it only asked for recipients', async () => {
  await using stage = await scene({}, ADMIN);
  using client = await SmtpDialog.open(stage.relay.port());
  await client.command('EHLO callout.test');
  for (const line of ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'RSET'])
    assert.equal((await client.command(line)).code, 250);
  for (const line of ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA'])
    assert.ok((await client.command(line)).code < 400);
  client.write('Subject: half of it\r\n');
  client.close();
  const { tid } = await stage.relay.event('transaction.abandoned');
  await statusEvents(stage.relay, (heard) => heard.includes('"exchanges"'));
  const { stories } = await wholeStatus(stage.relay);
  assert.deepEqual(
    stories.map((story) => [story.tid, story.outcome, story.exchanges?.map(({ command }) => command)]),
    [[tid, 'abandoned', ['MAIL FROM:<a…@x.test>', 'RCPT TO:<b…@y.test>', 'DATA']]],
  );
});

test('tells the page nothing of passwords and content, and addresses only as it may show them', async () => {
  await using stage = await scene({}, { ...ADMIN, SEALPOST_CLIENT_AUTH: 'any' });
  using client = await SmtpDialog.open(stage.relay.port());
  await client.command('EHLO canary.test');
  const login = Buffer.from('\0someone\0canary-password').toString('base64');
  assert.equal((await client.command(`AUTH PLAIN ${login}`)).code, 235);
  for (const line of ['MAIL FROM:<canary-alice@x.test>', 'RCPT TO:<canary-bob@y.test>', 'DATA'])
    assert.ok((await client.command(line)).code < 400);
  assert.equal((await client.command('Subject: canary-subject\r\n\r\ncanary-body\r\n.')).code, 250);
  const heard = await statusEvents(stage.relay);
  assert.match(heard, /MAIL FROM:<c…@x\.test>.*RCPT TO:<c…@y\.test>/);
  for (const canary of [
    login,
    'canary-password',
    'canary-alice',
    'canary-bob',
    'canary-subject',
    'canary-body',
  ])
    assert.ok(!heard.includes(canary), canary);
  // What is told to a page alone is in no log, debug as it may be.
  assert.ok(!stage.relay.output.includes('dialogue.ended'));
});

test('shows no address that an upstream names when it refuses the login of a client', async () => {
  const refusal = '535 5.7.8 canary-carol@x.test is locked';
  await using stage = await scene(
    {
      keywords: ['AUTH PLAIN'],
      answer: (line) => (line.startsWith('AUTH') ? `${refusal}\r\n` : undefined),
    },
    {
      ...ADMIN,
      SEALPOST_CLIENT_AUTH: 'passthrough',
      SEALPOST_CLIENT_AUTH_CLEAR_NETWORKS: '127.0.0.0/8',
    },
  );
  using client = await SmtpDialog.open(stage.relay.port());
  await client.command('EHLO x');
  const login = Buffer.from('\0carol\0secret-of-hers').toString('base64');
  assert.equal((await client.command(`AUTH PLAIN ${login}`)).raw, refusal);
  const heard = await statusEvents(stage.relay);
  assert.match(heard, /could not log in: 535 5\.7\.8 c…@x\.test is locked/);
  assert.ok(!heard.includes('canary-carol'));
});

test('shows addresses where the operator asks for them, and in the log even then nowhere', async () => {
  await using stage = await scene({}, { ...ADMIN, SEALPOST_STATUS_ADDRESSES: 'show' });
  assert.equal(await sendTo(stage.relay), 250);
  assert.match(await statusEvents(stage.relay), /MAIL FROM:<a@x\.test>/);
  assert.doesNotMatch(stage.relay.output, /a@x\.test/);
});

test('tells the stories of all workers', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using relay = await startWorkers(upstream, authority.caFile, ADMIN);
  await untilDeliveredBy(relay, [1, 2]);
  const delivered = upstream.messages.length;
  await statusEvents(relay, (heard) => (heard.match(/"command":"DATA"/g) ?? []).length >= delivered);
  const { stories, overview } = await wholeStatus(relay);
  assert.equal(stories.filter(({ outcome }) => outcome === 'delivered').length, delivered);
  assert.equal(overview.listeners.length, 1);
});

/** @returns the status of the answer */
async function askBeyond(relay: RelayProcess, { path = '/', headers = {} }: RequestOptions): Promise<number> {
  const { port } = await relay.event('admin.started');
  return new Promise((resolve, reject) => {
    const asked = { host: '127.0.0.1', port: Number(port), ca: authority.identity.cert, path, headers };
    const sent = request({ ...asked, servername: 'localhost', agent: false }).end();
    sent.once('error', reject).once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
  });
}

function basic(password: string): string {
  return `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
}

test('tells beyond loopback by HTTPS alone, and nothing but health to those without the token', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
  const { certFile, keyFile } = authority.files(authority.issue({ san: 'DNS:localhost,DNS:relay.test' }));
  await using relay = await startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_ADMIN_LISTEN: '0.0.0.0:0',
    SEALPOST_ADMIN_TOKEN: TOKEN,
    SEALPOST_LISTEN_CERT_FILE: certFile,
    SEALPOST_LISTEN_KEY_FILE: keyFile,
  });
  for (const [status, path, authorization] of [
    [200, '/livez', ''],
    [401, '/', ''],
    [401, '/events', `Bearer ${TOKEN}0`],
    [401, '/metrics', basic('0123456789abcdeg')],
    [200, '/metrics', `Bearer ${TOKEN}`],
    [200, '/', basic(TOKEN)],
  ] as const)
    assert.equal(await askBeyond(relay, { path, headers: { authorization } }), status, path);
  const authorization = `Bearer ${TOKEN}`;
  assert.equal(await askBeyond(relay, { headers: { host: 'relay.test:9025', authorization } }), 200);
  assert.equal(await askBeyond(relay, { headers: { host: 'attacker.example', authorization } }), 421);
  await assert.rejects(askAdmin(relay, '/livez'), /socket hang up|ECONNRESET/);
  assert.ok(!relay.output.includes(TOKEN));
});
