/**
 * Several processes on one port: to clients and to the upstream they are one relay.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';

import { INHERITED } from '../support/inherited-environment.ts';
import { TestAuthority } from '../support/pki.ts';
import { ScriptedUpstream, type Script } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { processIds, sendOne, startWorkers, stopped, untilDeliveredBy } from '../support/workers.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const LIMIT = { timeout: 60_000 };
const authority = new TestAuthority();
const stranger = new TestAuthority('A stranger');
const identity = authority.issue();
after(() => {
  authority.remove();
  stranger.remove();
});

async function startUpstream(script: Partial<Script> = {}): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
}

test('serves one port with several processes and tells once that it listens', LIMIT, async () => {
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile);
  await untilDeliveredBy(relay, [1, 2]);
  const [first = 0, second = 0] = processIds(relay);
  assert.equal(new Set([relay.child.pid, first, second]).size, 3);
  await stopped(relay);
  const count = (name: string): number => relay.log.filter(({ event }) => event === name).length;
  for (const name of ['config.loaded', 'listener.started', 'listener.stopped', 'process.stopping']) {
    assert.equal(count(name), 1, name);
  }
  assert.deepEqual(relay.log.at(-1)?.event, 'process.stopped');
  assert.equal(count('worker.ended'), 0);
});

test('has several listeners with it, TLS ones by a certificate that is issued once', LIMIT, async () => {
  await using upstream = await startUpstream();
  const stateDirectory = join(authority.directory, 'state');
  await using relay = await startWorkers(upstream, authority.caFile, {
    SEALPOST_LISTEN: '127.0.0.1:0,127.0.0.1:0',
    SEALPOST_LISTEN_TLS: '127.0.0.1:0',
    SEALPOST_STATE_DIR: stateDirectory,
    SEALPOST_WORKERS: '3',
  });
  await relay.event('listener.started', ({ tls }) => tls === true);
  assert.equal(new Set([relay.port(0), relay.port(1), relay.port(2)]).size, 3);
  const created = relay.log.filter(({ event }) => event === 'certificate.created');
  assert.deepEqual(
    created.map(({ worker }) => worker),
    [undefined],
    'by the primary',
  );
  const ca = execFileSync(process.execPath, [CLI, 'certificate', 'export'], {
    env: { ...INHERITED, SEALPOST_STATE_DIR: stateDirectory },
  });
  for (let times = 0; times < 6; times += 1) {
    const socket = connect({ port: relay.port(2), host: '127.0.0.1', servername: 'localhost', ca });
    await once(socket, 'secureConnect');
    using client = SmtpDialog.over(socket);
    assert.equal((await client.reply()).code, 220);
  }
});

test('refuses an upstream that cannot prove who it is, whichever worker is asked', LIMIT, async () => {
  await using upstream = await startUpstream({ identity: stranger.issue() });
  await using relay = await startWorkers(upstream, authority.caFile);
  const refusers = new Set<unknown>();
  while (refusers.size < 2) {
    const clients = await Promise.all(Array.from({ length: 6 }, async () => SmtpDialog.open(relay.port())));
    for (const reply of await Promise.all(
      clients.map(async (client) => client.send('Subject: x\r\n\r\nx')),
    )) {
      assert.match(reply.raw, /^451 4\.7\.5 /);
    }
    for (const client of clients) client.close();
    for (const { event, worker } of relay.log) if (event === 'hop.insecure') refusers.add(worker);
  }
  assert.equal(upstream.secured, '');
  assert.equal(upstream.messages.length, 0);
});

test('shares SEALPOST_POOL_MAX: the upstream never sees more connections', LIMIT, async () => {
  let most = 0;
  await using upstream = await startUpstream({
    onConnection: () => (most = Math.max(most, upstream.connections.filter(({ closed }) => !closed).length)),
  });
  await using relay = await startWorkers(upstream, authority.caFile, { SEALPOST_POOL_MAX: '3' });
  await untilDeliveredBy(relay, [1, 2]);
  await Promise.all(Array.from({ length: 24 }, async () => sendOne(relay.port())));
  assert.ok(most >= 2 && most <= 3, `${most} connections`);
});

test(
  'shares SEALPOST_POOL_MIN: hops are ready before the first client, as many as with one process',
  LIMIT,
  async () => {
    await using upstream = await startUpstream();
    await using relay = await startWorkers(upstream, authority.caFile, { SEALPOST_POOL_MIN: '3' });
    const securedBy = (number: number): number =>
      relay.log.filter(({ event, worker }) => event === 'hop.secured' && worker === number).length;
    await relay.event('hop.secured', () => securedBy(1) >= 2 && securedBy(2) >= 1);
    await stopped(relay);
    assert.deepEqual([securedBy(1), securedBy(2)], [2, 1]);
  },
);

test('is ready, for all workers at once, when one can secure a hop; alive without', LIMIT, async () => {
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile, {
    SEALPOST_ADMIN_LISTEN: '127.0.0.1:0',
  });
  const { port } = await relay.event('admin.started');
  const ask = async (path: string) => httpAnswer(Number(port), path);
  assert.deepEqual(await ask('/livez'), { status: 200, body: { alive: true } });
  assert.equal(upstream.connections.length, 0);
  for (const answer of await Promise.all([1, 2, 3].map(async () => ask('/readyz')))) {
    assert.deepEqual(answer, { status: 200, body: { ready: true } });
  }
  assert.equal(upstream.connections.length, 1);
});

test('is not ready, and says why, when no worker can secure a hop', LIMIT, async () => {
  await using upstream = await startUpstream({ identity: stranger.issue() });
  await using relay = await startWorkers(upstream, authority.caFile, {
    SEALPOST_ADMIN_LISTEN: '127.0.0.1:0',
  });
  const { port } = await relay.event('admin.started');
  assert.deepEqual(await httpAnswer(Number(port), '/readyz'), {
    status: 503,
    body: { ready: false, reason: 'certificate-not-trusted' },
  });
});

test('counts what a client sends in a minute for all workers together', LIMIT, async () => {
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile, {
    SEALPOST_CLIENT_MESSAGES_PER_MINUTE: '20',
  });
  const codes = await Promise.all(
    Array.from({ length: 40 }, async () => {
      using client = await SmtpDialog.open(relay.port());
      return (await client.send('Subject: x\r\n\r\nHello')).code;
    }),
  );
  assert.equal(codes.filter((code) => code === 451).length, 20);
  assert.equal(upstream.messages.length, 20);
});

test('keeps every log line whole when its reader is slow', LIMIT, async () => {
  const verdict = `250 2.0.0 ${'long '.repeat(90)}\r\n`;
  await using upstream = await startUpstream({ verdict: () => verdict });
  await using relay = await startWorkers(upstream, authority.caFile, { SEALPOST_LOG_LEVEL: 'debug' });
  relay.child.stdout?.pause(); // more comes than the pipe holds
  await Promise.all(
    Array.from({ length: 60 }, async () => {
      using client = await SmtpDialog.open(relay.port());
      for (let times = 0; times < 10; times += 1) await client.send('Subject: x\r\n\r\nx');
    }),
  );
  relay.child.stdout?.resume();
  const delivered = (): number => relay.log.filter(({ event }) => event === 'transaction.delivered').length;
  await relay.event('transaction.delivered', () => delivered() === 600); // a torn line would not be JSON
});

test('relays on when the reader of its log goes away', LIMIT, async () => {
  await using upstream = await startUpstream();
  await using relay = await startWorkers(upstream, authority.caFile);
  const port = relay.port();
  relay.child.stdout?.destroy();
  for (let times = 0; times < 20; times += 1) {
    await Promise.all(Array.from({ length: 5 }, async () => sendOne(port)));
  }
  assert.equal(upstream.messages.length, 100);
  assert.equal(await relay.stop(), 0);
});

async function httpAnswer(
  port: number,
  path: string,
): Promise<{ status: number | undefined; body: unknown }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.once('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
    }).once('error', reject);
  });
}
