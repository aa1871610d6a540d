/**
 * Commands that print to a pipe which nobody reads any more, or to a full disk.
 */
import assert from 'node:assert/strict';
import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { INHERITED } from '../../support/inherited-environment.ts';
import { startRelay } from '../../support/relay-process.ts';
import { SmtpDialog } from '../../support/smtp-dialog.ts';

const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url));
const UPSTREAM = 'smtps://upstream.invalid';

for (const command of ['config', 'version', 'help'])
  test(`ends ${command} quietly, like a program that gets SIGPIPE, when its reader has left`, async () => {
    const child = start(command, ['ignore', 'pipe', 'pipe']);
    child.stdout?.destroy();
    assert.deepEqual(await ending(child), { code: 141, complaints: '' });
  });

test('says that the disk is full', async () => {
  await using full = await open('/dev/full', 'w');
  const { code, complaints } = await ending(start('config', ['ignore', full.fd, 'pipe']));
  assert.equal(code, 74);
  assert.match(complaints, /^sealpost: cannot write to standard output \(ENOSPC\)$/m);
});

test('keeps the exit code when nobody reads the complaints', async () => {
  const child = start('nonsense', ['ignore', 'pipe', 'pipe']);
  child.stderr?.destroy();
  assert.equal((await ending(child)).code, 64);
});

test('relays on when the reader of the log has left', async () => {
  await using relay = await startRelay({ SEALPOST_UPSTREAM: UPSTREAM, SEALPOST_LOG_LEVEL: 'debug' });
  relay.child.stdout?.destroy();
  for (let session = 0; session < 3; session += 1) {
    using client = await SmtpDialog.open(relay.port());
    assert.equal((await client.send('')).code, 451);
  }
  assert.equal(await relay.stop(), 0);
});

function start(command: string, stdio: StdioOptions): ReturnType<typeof spawn> {
  const env = { ...INHERITED, SEALPOST_UPSTREAM: UPSTREAM, SEALPOST_HOSTNAME: 'relay.example.test' };
  return spawn(process.execPath, [CLI, command], { env, stdio });
}

async function ending(child: ReturnType<typeof spawn>): Promise<{ code: number | null; complaints: string }> {
  let complaints = '';
  child.stderr?.on('data', (octets: Buffer) => (complaints += octets.toString()));
  await once(child, 'close');
  return { code: child.exitCode, complaints };
}
