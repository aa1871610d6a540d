/**
 * Prometheus's own tool finds nothing to say about the metrics of a relay and about our alert rules.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { askAdmin } from '../support/admin-answer.ts';
import { unpacked } from '../support/peers/cache.ts';
import { authority, scene, sendTo } from '../support/pool-scene.ts';

after(() => authority.remove());

function promtool(
  args: readonly string[],
  input = '',
): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(unpacked('prometheus', 'usr/bin/promtool'), args, {
    input,
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

test('promtool has no complaint about the metrics of a running relay', async () => {
  await using stage = await scene({}, { SEALPOST_ADMIN_LISTEN: '127.0.0.1:0' });
  assert.equal(await sendTo(stage.relay), 250);
  const { text } = await askAdmin(stage.relay, '/metrics');
  assert.match(text, /sealpost_messages_total\{outcome="delivered"\} 1/);
  assert.deepEqual(promtool(['check', 'metrics'], text), { status: 0, said: '' });
});

test('promtool takes the alert rules', () => {
  const rules = fileURLToPath(new URL('../../packaging/prometheus/alerts.yml', import.meta.url));
  const { status, said } = promtool(['check', 'rules', rules]);
  assert.equal(status, 0, said);
  assert.match(said, /SUCCESS: \d+ rules found/);
});
