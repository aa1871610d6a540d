/**
 * A worker that answers nothing any more while the relay runs.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { INHERITED } from '../support/inherited-environment.ts';
import { TestAuthority } from '../support/pki.ts';
import { RelayProcess } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { processIds, untilDeliveredBy } from '../support/workers.ts';

const IMPATIENT = fileURLToPath(new URL('../support/impatient-serve.ts', import.meta.url));
const authority = new TestAuthority();
after(() => authority.remove());

test('finds a worker that hangs, tells it and replaces it', { timeout: 60_000 }, async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  const child = spawn(process.execPath, [IMPATIENT], {
    env: {
      ...INHERITED,
      SEALPOST_UPSTREAM: upstream.url,
      SEALPOST_TLS_CA_FILE: authority.caFile,
      SEALPOST_LISTEN: '127.0.0.1:0',
      SEALPOST_HOSTNAME: 'relay.example.test',
      SEALPOST_WORKERS: '2',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await using relay = new RelayProcess(child);
  await relay.event('listener.started');
  await untilDeliveredBy(relay, [1, 2]);
  const [first, second = 0] = processIds(relay);
  process.kill(second, 'SIGSTOP'); // its event loop does not turn, as in an endless loop
  const hung = await relay.event('worker.hung');
  assert.deepEqual([hung['worker'], hung['pid']], [2, second]);
  await relay.event('worker.ended', ({ pid, signal }) => pid === second && signal === 'SIGKILL');
  await relay.event('worker.started', ({ worker, pid }) => worker === 2 && pid !== second);
  await untilDeliveredBy(relay, [1, 2]);
  assert.ok(!relay.log.some(({ event, pid }) => event === 'worker.ended' && pid === first));
});
