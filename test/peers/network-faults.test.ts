/**
 * A network that loses packets and is cut for a while: a short form of scripts/network-faults, which needs root.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/network-faults', import.meta.url));

test('loses no message when the network loses packets or is cut, and serves again', async () => {
  const args = ['--seconds', '6', '--only', 'loss of 30 % each way,partition'];
  const run = spawn(SCRIPT, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  run.stdout.on('data', (octets: Buffer) => (said += octets.toString()));
  run.stderr.on('data', (octets: Buffer) => (said += octets.toString()));
  await once(run, 'close');
  assert.equal(run.exitCode, 0, said);
  assert.equal(said.match(/lost 0, refused and delivered 0, doubled 0; served again/g)?.length, 2, said);
});
