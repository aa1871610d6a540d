/**
 * Several processes on one port: how they start, how they are replaced, how they end.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { INHERITED } from '../support/inherited-environment.ts';
import { TestAuthority } from '../support/pki.ts';
import { RelayProcess, runSealpost } from '../support/relay-process.ts';
import { accepted } from '../support/relay-test-bed.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { ended, processIds, sendOne, startWorkers, untilDeliveredBy } from '../support/workers.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const LIMIT = { timeout: 60_000 };
const authority = new TestAuthority();
const identity = authority.issue();
after(() => authority.remove());

async function startUpstream(): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity });
}

/** A client with a message half sent. */
async function halfSent(relay: RelayProcess): Promise<SmtpDialog> {
  const client = await SmtpDialog.open(relay.port());
  await accepted(client, 'EHLO busy.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
  client.write('Subject: first half\r\n\r\n');
  return client;
}

test('goes on without a worker that was killed, and replaces it', LIMIT, async () => {
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile);
  const [, second = 0] = processIds(relay);
  process.kill(second, 'SIGKILL');
  const end = await relay.event('worker.ended');
  assert.deepEqual([end['worker'], end['pid'], end['code'], end['signal']], [2, second, null, 'SIGKILL']);
  await sendOne(relay.port());
  await relay.event('worker.started', ({ worker, pid }) => worker === 2 && pid !== second);
  await untilDeliveredBy(relay, [1, 2]);
  assert.equal(relay.log.filter(({ event }) => event === 'listener.started').length, 1);
});

test('comes back on its port when all workers were killed at once', LIMIT, async () => {
  const port = await freePort();
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile, {
    SEALPOST_LISTEN: `127.0.0.1:${port}`,
  });
  const killed = processIds(relay);
  for (const processId of killed) process.kill(processId, 'SIGKILL');
  for (const number of [1, 2]) {
    await relay.event(
      'worker.started',
      ({ worker, pid }) => worker === number && !killed.includes(Number(pid)),
    );
  }
  await untilDeliveredBy(relay, [1, 2]);
});

test('serves with the others while a worker cannot start, and tells why', LIMIT, async () => {
  await using upstream = await startUpstream();
  const caFile = join(authority.directory, 'moving.pem');
  writeFileSync(caFile, authority.caPem);
  await using relay = await startWorkers(upstream, authority.caFile, { SEALPOST_TLS_CA_FILE: caFile });
  rmSync(caFile);
  const [first = 0] = processIds(relay);
  process.kill(first, 'SIGKILL');
  await relay.event('worker.ended', ({ code }) => code === 78);
  assert.match(relay.output, /SEALPOST_TLS_CA_FILE should name a readable file/);
  await sendOne(relay.port());
  writeFileSync(caFile, authority.caPem);
  await relay.event('worker.started', ({ worker, pid }) => worker === 1 && pid !== first);
  await untilDeliveredBy(relay, [1, 2]);
});

for (const whole of [false, true]) {
  const whom = whole ? 'all its processes' : 'the primary';
  test(`lets transactions end when SIGTERM is sent to ${whom}`, LIMIT, async () => {
    await using upstream = await startUpstream();
    await using relay = await startWorkers(upstream, authority.caFile);
    const clients = await Promise.all([1, 2, 3, 4].map(async () => halfSent(relay)));
    const closed = once(relay.child, 'close');
    for (const processId of whole ? processIds(relay) : []) process.kill(processId, 'SIGTERM');
    relay.child.kill('SIGTERM');
    await relay.event('process.stopping');
    for (const client of clients) {
      client.write('second half\r\n.\r\n');
      assert.equal((await client.reply()).raw, '250 2.0.0 Queued as 4711');
      client.close();
    }
    assert.deepEqual(await closed, [0, null]);
    assert.equal(upstream.messages.length, 4);
    assert.equal(relay.log.at(-1)?.['forced'], 0);
    await ended(processIds(relay));
  });
}

test('ends at once on a second signal, and no process is left', LIMIT, async () => {
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile);
  using client = await halfSent(relay);
  const closed = once(relay.child, 'close'); // when the last process that holds its standard error has ended
  relay.child.kill('SIGINT');
  await relay.event('process.stopping');
  relay.child.kill('SIGINT');
  assert.deepEqual(await closed, [0, null]);
  await ended(processIds(relay));
  await client.ended();
});

test('leaves no process behind when the primary is killed', LIMIT, async () => {
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile);
  using client = await halfSent(relay);
  const closed = once(relay.child, 'close');
  relay.child.kill('SIGKILL');
  await closed;
  await client.ended();
  await ended(processIds(relay));
  assert.equal(upstream.messages.length, 0);
});

test('fails at a port that is taken exactly as one process does', LIMIT, async () => {
  await using taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const runs = ['1', '2'].map(async (workers) => {
    const run = runSealpost(['serve'], {
      SEALPOST_UPSTREAM: 'smtps://mail.example.test',
      SEALPOST_LISTEN: `127.0.0.1:${port}`,
      SEALPOST_HOSTNAME: 'relay.example.test',
      SEALPOST_WORKERS: workers,
    });
    let stderr = '';
    run.child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await once(run.child, 'close');
    const events = run.log.slice(1).map(({ time: _time, ...fields }) => fields);
    return { code: run.child.exitCode, events, stderr };
  });
  const [one, two] = await Promise.all(runs);
  assert.deepEqual(two, one);
  assert.equal(one?.code, 69);
  assert.equal(one?.events.length, 1);
});

test('tells what only a worker finds wrong with the configuration once, exit code 78', LIMIT, async () => {
  const file = openSync(authority.caFile, 'r');
  const child = spawn(process.execPath, [CLI, 'serve'], {
    env: {
      ...INHERITED,
      SEALPOST_UPSTREAM: 'smtps://mail.example.test',
      SEALPOST_LISTEN: '127.0.0.1:0',
      SEALPOST_HOSTNAME: 'relay.example.test',
      SEALPOST_TLS_CA_FILE: '/proc/self/fd/3', // the primary's third descriptor is a file, a worker's is not
      SEALPOST_WORKERS: '3',
    },
    stdio: ['ignore', 'pipe', 'pipe', file],
  });
  closeSync(file);
  const relay = new RelayProcess(child);
  await once(child, 'close');
  assert.equal(child.exitCode, 78);
  const told = relay.output.split('\n').filter((line) => line.startsWith('sealpost: SEALPOST_TLS_CA_FILE'));
  assert.equal(told.length, 1, relay.output);
  assert.deepEqual(
    relay.log.map(({ event }) => event),
    ['config.loaded'],
  );
});

async function freePort(): Promise<number> {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
