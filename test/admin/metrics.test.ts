/**
 * Metrics: they tell what happened, whatever the log tells, and the whole of several processes.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';

import { askAdmin } from '../support/admin-answer.ts';
import { namesIn, samplesIn, type Samples } from '../support/metric-samples.ts';
import { authority, identity, MESSAGE, scene, sendTo } from '../support/pool-scene.ts';
import type { RelayProcess } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { ended, processIds, startWorkers, untilDeliveredBy } from '../support/workers.ts';

after(() => authority.remove());

const ADMIN = { SEALPOST_ADMIN_LISTEN: '127.0.0.1:0' };

async function samplesOf(relay: RelayProcess): Promise<Samples> {
  return samplesIn((await askAdmin(relay, '/metrics')).text);
}

test('counts messages, hops and what was refused, also where the log is silent about them', async () => {
  await using stage = await scene(
    { answer: (line) => (line.startsWith('RCPT TO:<no@') ? '550 5.1.1 Nobody\r\n' : undefined) },
    { ...ADMIN, SEALPOST_LOG_LEVEL: 'info' },
  );
  const { relay, upstream } = stage;
  for (const code of [250, 250]) assert.equal(await sendTo(relay), code);
  using client = await SmtpDialog.open(relay.port());
  await client.command('EHLO canary-name');
  assert.equal((await client.command('MAIL FROM:<canary@x.test>')).code, 250);
  assert.equal((await client.command('RCPT TO:<no@canary.test>')).code, 550);
  await client.command('RSET');
  const { text } = await askAdmin(relay, '/metrics');
  const samples = samplesIn(text);
  const at = `localhost:${upstream.port}`;
  assert.equal(samples.get('sealpost_messages_total{outcome="delivered"}'), 2);
  assert.equal(samples.get('sealpost_messages_total{outcome="refused"}'), 0);
  assert.equal(samples.get('sealpost_message_bytes_total{outcome="delivered"}'), 2 * MESSAGE.length + 4);
  assert.equal(samples.get('sealpost_recipients_total{outcome="delivered"}'), 2);
  assert.equal(samples.get('sealpost_recipients_total{outcome="refused"}'), 1);
  assert.equal(samples.get('sealpost_hop_leases_total{reused="true"}'), 2);
  assert.equal(samples.get('sealpost_hop_leases_total{reused="false"}'), 1);
  assert.equal(samples.get('sealpost_sessions_opened_total'), 3);
  assert.equal(
    samples.get(`sealpost_hops_opened_total{upstream="${at}",authenticated_by="pkix",protocol="TLSv1.3"}`),
    1,
  );
  assert.equal(samples.get('sealpost_hop_handshake_seconds_count'), 1);
  assert.equal(samples.get('sealpost_transaction_seconds_count'), 2);
  assert.ok(
    (samples.get(`sealpost_upstream_certificate_expiry_timestamp_seconds{upstream="${at}"}`) ?? 0) >
      Date.now() / 1e3,
  );
  assert.doesNotMatch(text, /canary/);
});

test('counts hops that are not secured by the words of RFC 8460', async () => {
  await using stage = await scene({ identity: authority.issue({ san: 'DNS:other.test' }) }, ADMIN);
  assert.equal(await sendTo(stage.relay), 451);
  const samples = await samplesOf(stage.relay);
  const labels = `upstream="localhost:${stage.upstream.port}",failure="tls",result_type="certificate-host-mismatch"`;
  assert.equal(samples.get(`sealpost_hop_failures_total{${labels},phase="handshake"}`), 1);
  assert.equal(samples.get('sealpost_refusals_total{failure="tls",phase="handshake"}'), 1);
});

test('tells of all workers together, and goes on counting where one has ended', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using relay = await startWorkers(upstream, authority.caFile, ADMIN);
  await untilDeliveredBy(relay, [1, 2]);
  const delivered = upstream.messages.length;
  const before = await samplesOf(relay);
  assert.equal(before.get('sealpost_messages_total{outcome="delivered"}'), delivered);
  for (const name of ['main', '1', '2'])
    assert.ok(Number(before.get(`sealpost_process_resident_memory_bytes{process="${name}"}`)) > 0);
  const [first = 0] = processIds(relay);
  process.kill(first, 'SIGKILL');
  await relay.event('worker.ended');
  await ended([first]);
  const later = await samplesOf(relay);
  assert.equal(later.get('sealpost_messages_total{outcome="delivered"}'), delivered);
  assert.equal(later.get('sealpost_worker_ends_total'), 1);
});

test('has every metric that the dashboard and the alert rules ask for', async () => {
  await using stage = await scene({}, ADMIN);
  const names = namesIn((await askAdmin(stage.relay, '/metrics')).text);
  for (const file of ['grafana/sealpost.json', 'prometheus/alerts.yml']) {
    const text = readFileSync(new URL(`../../packaging/${file}`, import.meta.url), 'utf8');
    const asked = new Set(text.match(/\bsealpost_\w+/g));
    assert.ok(asked.size > 5);
    assert.deepEqual(
      [...asked].filter((name) => !names.has(name)),
      [],
    );
  }
});
