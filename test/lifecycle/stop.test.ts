/**
 * SIGTERM: what was acknowledged has arrived, and each reply that was begun was ended, also while many clients send.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { after, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { runSealpost } from '../support/relay-process.ts';
import { accepted } from '../support/relay-test-bed.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { startWorkers } from '../support/workers.ts';

const CLIENTS = 40;
const authority = new TestAuthority();
const identity = authority.issue();
after(() => authority.remove());

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** What one client was told. */
interface Account {
  readonly acknowledged: string[];
  /** What ended its sending: a reply, or what came of the connection without one. */
  last: string;
  /** What it read behind that. */
  rest: string;
}

/** Sends message after message until the relay takes no more. @param stays with one connection for all */
async function sendAll(port: number, name: string, stays: boolean): Promise<Account> {
  const account: Account = { acknowledged: [], last: '', rest: '' };
  let client: SmtpDialog | undefined;
  for (let number = 1; account.last === ''; number += 1) {
    const id = `${name}-${number}`;
    try {
      if (!stays) client?.close();
      if (!stays || client === undefined) client = await SmtpDialog.open(port);
      const reply = await client.send(`Subject: ${id}\r\n\r\nHello`);
      if (reply.code === 250) account.acknowledged.push(id);
      else account.last = reply.raw;
    } catch (error) {
      account.last = error instanceof Error ? error.message : 'unknown';
    }
  }
  account.rest = (await client?.ended()) ?? '';
  return account;
}

const FAREWELL = /^(?:421 4\.3\.2 [^\r\n]*\r\n)?$/;
/** The farewell, or none where the relay was gone already. */
const ENDS = /^(?:421 4\.3\.2 .*|the connection ended; unread: ""|.*ECONN(?:REFUSED|RESET).*)$/;

for (const workers of ['1', '2']) {
  const name = `loses nothing and cuts nobody off at SIGTERM under load, SEALPOST_WORKERS=${workers}`;
  test(name, { timeout: 120_000 }, async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
    await using relay = await startWorkers(upstream, authority.caFile, { SEALPOST_WORKERS: workers });
    const idle = await SmtpDialog.open(relay.port());
    const sending = Array.from({ length: CLIENTS }, async (_, index) =>
      sendAll(relay.port(), `c${index}`, index % 2 === 0),
    );
    await upstream.received(CLIENTS * 3);
    const closed = once(relay.child, 'close');
    relay.child.kill('SIGTERM');
    assert.match(await idle.ended(), /^421 4\.3\.2 [^\r\n]*\r\n$/);
    const accounts = await Promise.all(sending);
    assert.deepEqual(await closed, [0, null]);
    assert.equal(relay.log.at(-1)?.event, 'process.stopped');
    assert.equal(relay.log.at(-1)?.['forced'], 0);
    const received = new Set(
      upstream.messages.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString())?.[1]),
    );
    const acknowledged = accounts.flatMap((account) => account.acknowledged);
    assert.ok(acknowledged.length >= CLIENTS * 2, `only ${acknowledged.length} messages before the end`);
    assert.deepEqual(
      acknowledged.filter((id) => !received.has(id)),
      [],
    );
    // Nor did anything arrive that its sender did not hear of.
    assert.equal(received.size, acknowledged.length);
    for (const { last, rest } of accounts) {
      assert.match(last, ENDS);
      // Whoever was told 250 last on a connection that it did not go on with finds the farewell there.
      assert.match(rest, last.startsWith('421') ? /^$/ : FAREWELL);
    }
  });
}

test('ends at once on a second SIGTERM, with a transaction under way', { timeout: 60_000 }, async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using relay = await startWorkers(upstream, authority.caFile, { SEALPOST_WORKERS: '1' });
  using client = await SmtpDialog.open(relay.port());
  await accepted(client, 'EHLO busy.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
  const closed = once(relay.child, 'close');
  relay.child.kill('SIGTERM');
  await relay.event('process.stopping');
  relay.child.kill('SIGTERM');
  assert.deepEqual(await closed, [0, null]);
  assert.ok(!relay.log.some(({ event }) => event === 'process.stopped'), 'it was waited for');
  assert.equal(upstream.messages.length, 0);
});

test(
  'ends cleanly when it is told to while it starts, and not for a SIGHUP',
  { timeout: 60_000 },
  async () => {
    const database = createServer((socket) => void socket.unref())
      .listen(0, '127.0.0.1')
      .unref(); // it says nothing
    await once(database, 'listening');
    const asked = once(database, 'connection');
    await using relay = runSealpost(['serve'], {
      SEALPOST_LISTEN: '127.0.0.1:0',
      SEALPOST_HOSTNAME: 'relay.example.test',
      SEALPOST_UPSTREAM: 'smtps://localhost:1',
      SEALPOST_SPOOL: `postgres://relay:pw@127.0.0.1:${portOf(database)}/spool`,
    });
    const closed = once(relay.child, 'close');
    await asked;
    relay.child.kill('SIGHUP');
    relay.child.kill('SIGTERM');
    assert.deepEqual(await closed, [0, null]);
    assert.ok(!relay.log.some(({ event }) => event === 'listener.started'), 'it was not starting any more');
    database.close();
  },
);
