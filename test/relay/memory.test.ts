/**
 * Memory does not grow with message size, nor with a client's or an upstream's appetite.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, test } from 'node:test';

import { BEGIN, DiscardingUpstream } from '../support/discarding-upstream.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay, type RelayProcess } from '../support/relay-process.ts';
import { accepted } from '../support/relay-test-bed.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 60_000 };
const MEGABYTE = 1_000_000;
const GROWTH_OCTETS = 50 * MEGABYTE;
/** 1 MB of lines, none of which begins with a dot. */
const BLOCK = Buffer.from(`${'0123456789'.repeat(9)}abcdefgh\r\n`.repeat(10_000));

const authority = new TestAuthority();
const settings = { SEALPOST_TLS_CA_FILE: authority.caFile, SEALPOST_MAX_MESSAGE_SIZE: '200000000' };

async function startPair(chunking: boolean): Promise<{ upstream: DiscardingUpstream; relay: RelayProcess }> {
  const upstream = await DiscardingUpstream.start(authority.issue(), chunking);
  const relay = await startRelay({ SEALPOST_UPSTREAM: `smtps://localhost:${upstream.port}`, ...settings });
  process.once('exit', () => relay.child.kill('SIGKILL'));
  return { upstream, relay };
}

const [byData, byBdat] = await Promise.all([startPair(false), startPair(true)]);
after(async () => {
  for (const { relay, upstream } of [byData, byBdat]) {
    await relay.stop();
    await upstream.stop();
  }
  authority.remove();
});

for (const [way, { upstream, relay }] of [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const) {
  test(`streams a message of 100 MB with less than 50 MB of growth, by ${way}`, LIMIT, async () => {
    using client = await warm(relay);
    const before = await relay.residentOctets();
    await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    const hash = createHash('sha256').update(`${BEGIN}\r\n`);
    client.write(`${BEGIN}\r\n`);
    let peak = before;
    for (let block = 0; block < 100; block += 1) {
      hash.update(BLOCK);
      if (!client.socket.write(BLOCK)) await once(client.socket, 'drain');
      peak = Math.max(peak, await relay.residentOctets());
    }
    client.write('.\r\n');
    assert.equal((await client.reply()).code, 250);
    assert.equal(upstream.messages.at(-1)?.sha256, hash.digest('hex'), 'what arrived is what was sent');
    assert.ok(peak - before < GROWTH_OCTETS, `grew by ${(peak - before) / MEGABYTE} MB`);
  });

  test(`holds the client back while the upstream does not read, by ${way}`, LIMIT, async () => {
    using client = await warm(relay);
    await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    client.write(`${BEGIN}\r\n`);
    const before = await relay.residentOctets();
    upstream.hold(true);
    for (let block = 0; block < 80; block += 1) client.socket.write(BLOCK);
    await standstill(client);
    const unsent = client.socket.writableLength;
    assert.ok(unsent > 30 * MEGABYTE, `only ${unsent / MEGABYTE} of 80 MB were held back`);
    assert.ok((await relay.residentOctets()) - before < GROWTH_OCTETS);
    upstream.hold(false);
    client.write('.\r\n');
    assert.equal((await client.reply()).code, 250);
  });
}

test('bounds what it keeps for a client that never reads its replies', LIMIT, async () => {
  const { relay } = byData;
  using client = await warm(relay);
  const before = await relay.residentOctets();
  client.socket.pause();
  const hello = 'EHLO client.test\r\n'.repeat(1_000);
  for (let count = 0; count < 400; count += 1) client.socket.write(hello);
  await standstill(client);
  // So much talk without a message ends the session, too, when the relay next looks after its sessions.
  const isCut = relay.log.some(({ event }) => event === 'session.cut');
  assert.ok(client.socket.writableLength > 0 || isCut, 'the client is held back');
  assert.ok((await relay.residentOctets()) - before < GROWTH_OCTETS);
  client.close();
  using next = await warm(relay);
  await accepted(next, 'QUIT');
});

test('bounds what it keeps for pipelined commands that wait for their turn', LIMIT, async () => {
  const { relay } = byData;
  using client = await warm(relay);
  await accepted(client, 'MAIL FROM:<a@x.test>');
  const before = await relay.residentOctets();
  for (let count = 0; count < 20_000; count += 1) client.socket.write(`RCPT TO:<b${count}@y.test>\r\n`);
  client.socket.write('RSET\r\nQUIT\r\n');
  const said = await client.ended();
  assert.match(said, /^452 /m, 'the number of recipients is bounded');
  assert.ok((await relay.residentOctets()) - before < GROWTH_OCTETS);
});

/** A client whose relay has already served a message: what it needed once is not growth. */
async function warm(relay: RelayProcess): Promise<SmtpDialog> {
  const client = await SmtpDialog.open(relay.port());
  const reply = await client.send(`${BEGIN}\r\nwarm`);
  assert.equal(reply.code, 250, reply.raw);
  return client;
}

/** Waits until the relay takes no more, or has taken everything: the one thing that no event tells. */
async function standstill(client: SmtpDialog): Promise<void> {
  for (let same = 0, last = -1; same < 5 && client.socket.writableLength > 0;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    same = client.socket.bytesWritten - client.socket.writableLength === last ? same + 1 : 0;
    last = client.socket.bytesWritten - client.socket.writableLength;
  }
}
