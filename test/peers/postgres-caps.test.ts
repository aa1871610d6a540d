/**
 * What a provider allows, kept by relays that share a database.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { PASSWORD } from '../support/peers/peer.ts';
import { PostgresServer } from '../support/peers/postgres-server.ts';
import { authority, identity, MESSAGE, openAt, sendTo } from '../support/pool-scene.ts';
import { startRelay, type RelayProcess } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 90_000 };
const directory = mkdtempSync(join(tmpdir(), 'sealpost-caps-'));
const postgres = await PostgresServer.start(undefined, PASSWORD);
after(async () => {
  await postgres[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

async function start(upstream: ScriptedUpstream, database: string, more = {}): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_STATE_DIR: directory,
    SEALPOST_SPOOL: postgres.url(database),
    ...more,
  });
}

async function upstreamThat(): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity });
}

async function replyTo(relay: RelayProcess): Promise<string> {
  using client = await SmtpDialog.open(relay.port());
  return (await client.send(MESSAGE)).raw;
}

test(
  'opens no more connections than the cap, however many relays want them, and serves all',
  LIMIT,
  async () => {
    await using upstream = await upstreamThat();
    const database = postgres.newDatabase();
    await using all = new AsyncDisposableStack();
    const relays: RelayProcess[] = [];
    for (let n = 0; n < 3; n += 1)
      relays.push(all.use(await start(upstream, database, { SEALPOST_POOL_MAX: '2' })));
    const watch = { most: 0, isOver: false };
    const watching = (async (): Promise<void> => {
      while (!watch.isOver) {
        watch.most = Math.max(watch.most, openAt(upstream));
        await upstream.changed();
      }
    })();
    const sent = await Promise.all(relays.flatMap((relay) => [sendTo(relay), sendTo(relay), sendTo(relay)]));
    assert.deepEqual(
      sent,
      sent.map(() => 250),
    );
    await upstream.received(9);
    watch.isOver = true;
    await Promise.all(relays.map(async (relay) => relay.stop())); // ends the last connection, which the watch sees
    await watching;
    assert.ok(watch.most <= 2, String(watch.most));
    assert.equal(postgres.sql(database, 'SELECT count(*) FROM sealpost.shares'), '0');
  },
);

test('gives the connections of a killed relay to the others', LIMIT, async () => {
  await using upstream = await upstreamThat();
  const database = postgres.newDatabase();
  const one = { SEALPOST_POOL_MAX: '1' };
  await using first = await start(upstream, database, one);
  assert.equal(await sendTo(first), 250);
  const ended = once(first.child, 'exit');
  first.child.kill('SIGKILL');
  await ended;
  await using second = await start(upstream, database, one);
  const sending = replyTo(second);
  const shares = 'SELECT count(*) FROM sealpost.shares';
  while (postgres.sql(database, shares) !== '2') await new Promise((resolve) => setImmediate(resolve));
  postgres.sql(database, 'UPDATE sealpost.shares SET held_until = now() WHERE granted > 0');
  assert.match(await sending, /^250 /);
});

test('sends no more messages a minute than the cap, whichever relay they come to', LIMIT, async () => {
  await using upstream = await upstreamThat();
  const database = postgres.newDatabase();
  const cap = { SEALPOST_POOL_MESSAGES_PER_MINUTE: '2', SEALPOST_CONNECT_TIMEOUT: '5' };
  await using first = await start(upstream, database, cap);
  await using second = await start(upstream, database, cap);
  assert.equal(await sendTo(first), 250);
  assert.equal(await sendTo(second), 250);
  for (const relay of [first, second]) assert.match(await replyTo(relay), /^250 2\.0\.0 Kept in the spool/);
  assert.equal(upstream.messages.length, 2);
  assert.equal(postgres.sql(database, 'SELECT count(*) FROM sealpost.turns'), '2');
});

test('keeps to a part of its own, and says so once, while the database is away', LIMIT, async () => {
  await using upstream = await upstreamThat();
  await using own = await PostgresServer.start(undefined, PASSWORD);
  const spool = { SEALPOST_SPOOL: own.url(own.newDatabase()), SEALPOST_POOL_MESSAGES_PER_MINUTE: '3' };
  await using relay = await start(upstream, 'unused', { ...spool, SEALPOST_CONNECT_TIMEOUT: '5' });
  assert.equal(await sendTo(relay), 250);
  await own.crash();
  assert.equal(await sendTo(relay), 250);
  assert.equal(await sendTo(relay), 250);
  assert.match(await replyTo(relay), /^452 4\.3\.1 /); // its turn is a minute away, and the spool is too
  assert.equal(relay.log.filter(({ event }) => event === 'caps.separated').length, 1);
  await own.run();
  await relay.event('caps.rejoined');
});
