/**
 * `sealpost queue`: what an operator sees and does, on a real spool, beside whoever works on it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { INHERITED } from '../support/inherited-environment.ts';
import { add, spoolPlace, type SpoolPlace } from '../support/spool-place.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

function run(spool: string, args: readonly string[]): Ran {
  const env = { ...INHERITED, SEALPOST_SPOOL: spool };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'queue', ...args], {
    env,
    encoding: 'utf8',
  });
  return { code: status, output: stdout + stderr };
}

function queue({ directory }: SpoolPlace, ...args: readonly string[]): Ran {
  return run(`file:${directory}`, args);
}

test('lists what waits, for people and for programs', async () => {
  await using at = await spoolPlace();
  assert.match(queue(at).output, /empty/);
  await add(at, 'one', Buffer.alloc(10));
  const { code, output } = queue(at, 'list');
  assert.equal(code, 0);
  assert.match(output, /^one +\d+s +10 +0 .*<a@x\.test> +<b@y\.test> +451 4\.4\.1 Not reached\.$/m);
  const told: unknown = JSON.parse(queue(at, '--json').output);
  assert.partialDeepStrictEqual(told, { id: 'one', octets: 10, sender: '<a@x.test>', isClaimed: false });
});

test('shows what was said of each recipient', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  const { code, output } = queue(at, 'show', 'one');
  assert.equal(code, 0);
  assert.match(output, /<b@y\.test> waiting\n {4}the reason: 451 4\.4\.1 Not reached\./);
});

test('makes a message due though its upstream is left alone', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  assert.deepEqual(await at.store.claim({ route: undefined, limit: 1, isPaused: true }), []);
  assert.equal(queue(at, 'retry', 'one').code, 0);
  assert.equal((await at.store.claim({ route: undefined, limit: 1, isPaused: true })).length, 1);
});

test('removes a message with its content, but none that is being delivered', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  await add(at, 'two', Buffer.alloc(10));
  await at.store.claim({ route: undefined, limit: 1 });
  assert.equal(queue(at, 'remove', 'one').code, 69);
  assert.equal(queue(at, 'remove', 'two').code, 0);
  assert.deepEqual(await readdir(join(at.directory, 'content')), ['one']);
  assert.equal(queue(at, 'remove', 'two').code, 69);
});

test('says what is wrong with its command line, and with its variables', async () => {
  await using at = await spoolPlace();
  for (const args of [['show'], ['retry', 'one', '--all'], ['sell']])
    assert.equal(queue(at, ...args).code, 64, args.join(' '));
  const { code, output } = run('off', []);
  assert.equal(code, 78);
  assert.match(output, /SEALPOST_SPOOL is off/);
});
