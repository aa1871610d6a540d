/**
 * The audit trail of a relay: what is in it, and that it goes on over restarts, crashes and rotations.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { authority, identity, scene, sendTo } from '../support/pool-scene.ts';
import { runSealpost, type RelayProcess } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { sendOne, startWorkers, stopped } from '../support/workers.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-audit-'));
after(() => {
  authority.remove();
  rmSync(directory, { recursive: true });
});

function trailAt(name: string): { readonly file: string; readonly variables: Record<string, string> } {
  const file = join(directory, `${name}.jsonl`);
  return { file, variables: { SEALPOST_AUDIT_FILE: file, SEALPOST_LOG_LEVEL: 'info' } };
}

function linesOf(file: string): readonly Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => Object.fromEntries(Object.entries(JSON.parse(line))));
}

async function verified(
  variables: Record<string, string>,
  ...args: readonly string[]
): Promise<[number | null, string]> {
  const run = runSealpost(['audit', 'verify', ...args], variables);
  await once(run.child, 'close');
  return [run.child.exitCode, run.output];
}

test('says of each message who sent it, where it went, how that was proven, and what the upstream said', async () => {
  const { file, variables } = trailAt('message');
  await using stage = await scene({}, variables);
  using client = await SmtpDialog.open(stage.relay.port());
  assert.equal((await client.send('Subject: canary\r\n\r\ncanary')).code, 250);
  await stage.relay.stop();
  const [begun, delivered = {}] = linesOf(file);
  assert.equal(begun?.['event'], 'trail.begun');
  const told = await stage.relay.event('transaction.delivered');
  const secured = await stage.relay.event('hop.secured');
  const { name, authenticatedBy, protocol, cipher, group, fingerprint } = secured;
  const { sid, tid, hid, reply } = told;
  const expected = {
    event: 'transaction.delivered',
    sid,
    tid,
    hid,
    reply,
    client: '127.0.0.1',
    recipients: 1,
    octets: 27,
    upstream: `localhost:${stage.upstream.port}`,
    tls: { name, authenticatedBy, protocol, cipher, group, fingerprint },
  };
  for (const [key, value] of Object.entries(expected)) assert.deepEqual(delivered[key], value, key);
  assert.equal(delivered['previous'], begun['hash']);
  assert.doesNotMatch(readFileSync(file, 'utf8'), /canary/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('goes on in one chain after a restart, and after a crash that left half a line', async () => {
  const { file, variables } = trailAt('restart');
  for (const half of ['', '{"seq":3,"time":"2026-', '']) {
    await using stage = await scene({}, variables);
    assert.equal(await sendTo(stage.relay), 250);
    await stage.relay.stop();
    appendFileSync(file, half);
  }
  assert.deepEqual(
    linesOf(file).map(({ seq, event, cut }) => [seq, event, cut]),
    [
      [1, 'trail.begun', undefined],
      [2, 'transaction.delivered', undefined],
      [3, 'transaction.delivered', undefined],
      [4, 'trail.resumed', 22],
      [5, 'transaction.delivered', undefined],
    ],
  );
  const [code, output] = await verified(variables);
  assert.match(output, /^5 lines, numbers 1 to 5: nothing is wrong\nhead 5 [0-9a-f]{64}\n$/);
  assert.equal(code, 0);
});

test('carries the chain over files, by size, where one was moved away, and where that was before a start', async () => {
  const { file, variables } = trailAt('rotation');
  {
    await using stage = await scene({}, { ...variables, SEALPOST_AUDIT_MAX_OCTETS: '900' });
    assert.equal(await sendTo(stage.relay), 250);
    await stage.relay.event('transaction.delivered');
    await until(() => existsSync(file) && statSync(file).size > 0, stage.relay);
    assert.equal(await sendTo(stage.relay), 250);
    const { file: rotated } = await stage.relay.event('audit.rotated');
    assert.match(String(rotated), /\.jsonl\.0{9}\d{3}$/);
    renameSync(file, `${file}.moved-1`);
    assert.equal(await sendTo(stage.relay), 250);
    await stage.relay.event('audit.moved');
    await stopped(stage.relay);
  }
  assert.ok(existsSync(file));
  renameSync(file, `${file}.moved-2`);
  await using stage = await scene({}, variables);
  const { hash } = await stage.relay.event('audit.started');
  assert.equal(await sendTo(stage.relay), 250);
  await stopped(stage.relay);
  const [code, output] = await verified(variables);
  assert.match(output, /: nothing is wrong\n/);
  assert.equal(code, 0);
  assert.equal(linesOf(file)[0]?.['previous'], hash);
});

test('is one chain of all workers', async () => {
  const { file, variables } = trailAt('workers');
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using relay = await startWorkers(upstream, authority.caFile, variables);
  await Promise.all(Array.from({ length: 20 }, async () => sendOne(relay.port())));
  assert.equal(await stopped(relay), 0);
  const delivered = linesOf(file).filter(({ event }) => event === 'transaction.delivered');
  assert.equal(delivered.length, 20);
  assert.ok(delivered.every(({ tls }) => tls !== undefined));
  assert.equal((await verified(variables))[0], 0);
});

test('goes on at its path after the file was removed, and says so', async () => {
  const { file, variables } = trailAt('removed');
  await using stage = await scene({}, variables);
  await until(() => existsSync(file) && statSync(file).size > 0, stage.relay);
  unlinkSync(file);
  assert.equal(await sendTo(stage.relay), 250);
  const { seq } = await stage.relay.event('audit.removed');
  await stopped(stage.relay);
  assert.equal(linesOf(file)[0]?.['seq'], Number(seq) + 1);
  assert.equal((await verified(variables))[0], 0);
});

test('is written by one of two relays that were given the same file, and the other says so', async () => {
  const { file, variables } = trailAt('shared');
  await using one = await scene({}, variables);
  await using other = await scene({}, variables);
  await until(() => existsSync(file) && statSync(file).size > 0, one.relay);
  assert.equal(await sendTo(other.relay), 250);
  const failed = await Promise.race([one, other].map(async ({ relay }) => relay.event('audit.failed')));
  assert.match(String(failed['reason']), /SEALPOST_AUDIT_FILE/);
  await Promise.all([stopped(one.relay), stopped(other.relay)]);
  assert.equal((await verified(variables))[0], 0);
});

test('goes on in whole lines when a disk that was full has room again', async () => {
  const { file, variables } = trailAt('full');
  await using stage = await scene({}, variables);
  await until(() => existsSync(file) && statSync(file).size > 0, stage.relay);
  limitFiles(stage.relay, statSync(file).size + 40);
  assert.equal(await sendTo(stage.relay), 250);
  assert.equal((await stage.relay.event('audit.failed'))['reason'], 'EFBIG');
  limitFiles(stage.relay, 'unlimited');
  await stage.relay.event('audit.resumed');
  await stopped(stage.relay);
  const [code, output] = await verified(variables);
  assert.match(output, /: nothing is wrong\n/);
  assert.equal(code, 0);
});

test('goes on in whole lines when somebody empties its file for room on a disk that was full, and says so', async () => {
  const { file, variables } = trailAt('emptied');
  await using stage = await scene({}, variables);
  await until(() => existsSync(file) && statSync(file).size > 0, stage.relay);
  limitFiles(stage.relay, statSync(file).size + 40);
  assert.equal(await sendTo(stage.relay), 250);
  await stage.relay.event('audit.failed');
  truncateSync(file);
  limitFiles(stage.relay, 'unlimited');
  await stage.relay.event('audit.resumed');
  await stopped(stage.relay);
  assert.equal(readFileSync(file, 'utf8')[0], '{');
  const { seq } = await stage.relay.event('audit.removed');
  assert.equal(linesOf(file)[0]?.['seq'], Number(seq) + 1);
  assert.equal((await verified(variables))[0], 0);
});

/** Sends mail until that is so: what is written is told by nothing else. */
async function until(isSo: () => boolean, relay: RelayProcess): Promise<void> {
  while (!isSo()) await sendTo(relay);
}

/** What it writes beyond so many octets of a file fails, as on a full disk: the part that still fits is written. */
function limitFiles({ child }: RelayProcess, octets: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(child.pid), `--fsize=${octets}:unlimited`]);
}

test('lets mail go on where it cannot be written, and tells of the gap', async () => {
  const variables = { SEALPOST_AUDIT_FILE: '/dev/full', SEALPOST_LOG_LEVEL: 'info' };
  await using stage = await scene({}, variables);
  assert.equal(await sendTo(stage.relay), 250);
  assert.equal((await stage.relay.event('audit.failed'))['reason'], 'ENOSPC');
  assert.equal(await sendTo(stage.relay), 250);
  await stopped(stage.relay);
  // Two messages, and the line that the trail begins with.
  assert.equal((await stage.relay.event('audit.stopped'))['lost'], 3);
});

test('refuses to start where there can be no such file', async () => {
  const run = runSealpost(['serve'], {
    SEALPOST_UPSTREAM: 'smtps://localhost:1',
    SEALPOST_AUDIT_FILE: join(directory, 'nowhere/audit.jsonl'),
  });
  await once(run.child, 'close');
  assert.equal(run.child.exitCode, 78);
  assert.match(run.output, /^sealpost: SEALPOST_AUDIT_FILE cannot be used \(ENOENT\)$/m);
});
