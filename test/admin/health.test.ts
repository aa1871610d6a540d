/**
 * Health over HTTP: it means that a hop can be secured, and it tells nobody who asks by a foreign name.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { askAdmin } from '../support/admin-answer.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay, type RelayProcess } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const authority = new TestAuthority();
const stranger = new TestAuthority('A stranger');
after(() => {
  authority.remove();
  stranger.remove();
});

interface Answer {
  readonly status: number | undefined;
  readonly body: unknown;
}

async function ask(relay: RelayProcess, path: string, headers = {}, method = 'GET'): Promise<Answer> {
  const { status, text } = await askAdmin(relay, path, { headers, method });
  return { status, body: JSON.parse(text) };
}

async function relayTo(upstream: ScriptedUpstream): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_ADMIN_LISTEN: '127.0.0.1:0',
  });
}

test('is ready when a hop to the upstream can be secured, opens one for many questions, and mail then uses it', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'starttls', identity: authority.issue() });
  await using relay = await relayTo(upstream);
  const answers = await Promise.all([1, 2, 3].map(async () => ask(relay, '/readyz')));
  for (const answer of answers) assert.deepEqual(answer, { status: 200, body: { ready: true } });
  using client = await SmtpDialog.open(relay.port());
  assert.equal((await client.send('Subject: x\r\n\r\nx')).code, 250);
  assert.equal(upstream.connections.length, 1);
});

test('leaves the log alone that a hop was opened for health alone, until mail goes by it', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'starttls', identity: authority.issue() });
  await using relay = await relayTo(upstream);
  assert.equal((await ask(relay, '/readyz')).status, 200);
  assert.equal(relay.log.at(-1)?.event, 'admin.started');
  using client = await SmtpDialog.open(relay.port());
  assert.equal((await client.send('Subject: x\r\n\r\nx')).code, 250);
  const { hid } = await relay.event('transaction.delivered');
  const secured = await relay.event('hop.secured');
  assert.deepEqual([secured['hid'], secured['probed'], secured['name']], [hid, true, 'localhost']);
});

test('is not ready, and says why, when the upstream cannot prove who it is', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: stranger.issue() });
  await using relay = await relayTo(upstream);
  assert.deepEqual(await ask(relay, '/readyz'), {
    status: 503,
    body: { ready: false, reason: 'certificate-not-trusted' },
  });
  assert.deepEqual(await ask(relay, '/livez'), { status: 200, body: { alive: true } });
});

test('is not ready when the upstream cannot be reached', async () => {
  const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  await using relay = await relayTo(upstream);
  await upstream[Symbol.asyncDispose]();
  assert.deepEqual(await ask(relay, '/readyz'), {
    status: 503,
    body: { ready: false, reason: 'unreachable' },
  });
});

test('answers no foreign name, no other method and no other path', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  await using relay = await relayTo(upstream);
  assert.equal((await ask(relay, '/readyz', { host: 'attacker.example:80' })).status, 421);
  assert.equal((await ask(relay, '/readyz', { host: 'localhost' })).status, 200);
  assert.equal((await ask(relay, '/readyz', {}, 'POST')).status, 405);
  assert.equal((await ask(relay, '/nothing')).status, 404);
});
