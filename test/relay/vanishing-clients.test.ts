/**
 * Clients that go away, half or wholly, at every point: no message is ended for them, and the process serves on.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { RelayTestBed, WITH_CHUNKING, accepted, mailCommands } from '../support/relay-test-bed.ts';
import type { Scene } from '../support/relay-test-bed.ts';
import type { Connection } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
/** `session.closed` is a debug event. */
const VERBOSE = { SEALPOST_LOG_LEVEL: 'debug' };
const [byData, byBdat] = await Promise.all([
  RelayTestBed.start({ variables: VERBOSE }),
  RelayTestBed.start({ keywords: WITH_CHUNKING, variables: VERBOSE }),
]);
after(async () => Promise.all([byData.stop(), byBdat.stop()]));

type Leaving = (client: SmtpDialog) => void;
const LEAVINGS: readonly (readonly [string, Leaving])[] = [
  ['resets', (client) => void client.socket.resetAndDestroy()],
  ['closes', (client) => void client.socket.destroy()],
  ['half-closes', (client) => void client.socket.end()],
];
const WAYS = [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const;
const LINES = 'line\r\n'.repeat(40_000);
const POINTS: readonly (readonly [string, string])[] = [
  ['in the header', 'Subject: cut of'],
  ['behind the header', 'Subject: cut off\r\n\r\n'],
  ['in the body', `Subject: cut off\r\n\r\n${LINES}half a li`],
  ['at a line end', `Subject: cut off\r\n\r\n${LINES}`],
  ['behind a lone dot', 'Subject: cut off\r\n\r\nbody\r\n.'],
  ['behind a dot and CR', 'Subject: cut off\r\n\r\nbody\r\n.\r'],
];

for (const [how, leave] of LEAVINGS) {
  for (const steps of [
    [],
    ['EHLO client.test'],
    ['EHLO client.test', 'MAIL FROM:<a@x.test>'],
    ['EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'],
  ]) {
    test(`serves on after a client that ${how} behind ${steps.at(-1) ?? 'the greeting'}`, LIMIT, async () => {
      const scene = byData.begin();
      const closed = closedSessions(byData);
      using client = await byData.client();
      if (steps.length > 0) await accepted(client, ...steps);
      leave(client);
      await client.ended();
      await byData.relay.event('session.closed', () => closedSessions(byData) > closed);
      assert.equal(scene.messages.length, 0);
      await byData.delivers();
    });
  }

  for (const [way, bed] of WAYS) {
    for (const [where, content] of POINTS) {
      test(`ends no message for a client that ${how} ${where}, by ${way}`, LIMIT, async () => {
        const { scene, abandoned } = beginWatching(bed);
        using client = await bed.client();
        await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
        client.write(content);
        leave(client);
        await client.ended();
        const at = await abandoned;
        if (way === 'DATA')
          assert.ok(at.closed, 'content behind DATA cannot be taken back: the hop must end');
        assert.ok(
          !at.secured.subarray(at.secured.lastIndexOf('MAIL FROM:')).includes('\r\n.\r\n'),
          'no final dot',
        );
        assert.ok(!mailCommands(scene).some((line) => /LAST/.test(line)), 'no BDAT LAST');
        assert.equal(scene.messages.length, 0);
        await bed.delivers();
      });
    }

    test(`keeps the outcome when a client ${how} before the final reply, by ${way}`, LIMIT, async () => {
      const delivered = events(bed, 'transaction.delivered');
      using client = await bed.client();
      const scene = bed.begin({
        verdict: async () => {
          leave(client);
          if (how !== 'half-closes') await client.ended();
          return '250 2.0.0 Queued all the same\r\n';
        },
      });
      await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
      client.write('Subject: gone\r\n\r\nHello\r\n.\r\n');
      await bed.received(scene, 1);
      await bed.relay.event('transaction.delivered', () => events(bed, 'transaction.delivered') > delivered);
      await bed.delivers();
      assert.equal(scene.messages.length, 1, 'delivered once, not again');
    });
  }
}

for (const ending of ['QUIT\r\n', '']) {
  test(
    `answers all of a session that was half-closed ${ending === '' ? 'without' : 'behind'} QUIT`,
    LIMIT,
    async () => {
      const scene = byData.begin();
      using client = await SmtpDialog.openSilently(byData.relay.port());
      client.write('HELO nc\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n');
      client.write(`Subject: nc\r\n\r\nHello\r\n.\r\n${ending}`);
      client.socket.end();
      for (const code of [220, 250, 250, 250, 354, 250]) assert.equal((await client.reply()).code, code);
      await client.ended();
      assert.equal(scene.messages.length, 1);
    },
  );
}

test('executes no command line that the end of the connection cut off', LIMIT, async () => {
  const scene = byData.begin();
  const closed = closedSessions(byData);
  using client = await byData.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<whole@y.test>');
  client.write('RCPT TO:cut@y.te');
  client.socket.end();
  const unread = await client.ended();
  assert.doesNotMatch(unread, /^250/m);
  await byData.relay.event('session.closed', () => closedSessions(byData) > closed);
  assert.ok(!scene.commands.some((line) => line.includes('cut@')));
  await byData.delivers();
});

test('serves others while one client stands still in the middle of a message', LIMIT, async () => {
  byData.begin();
  using still = await byData.client();
  await accepted(still, 'EHLO still.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
  still.write('Subject: still\r\n\r\nfirst half, ');
  await byData.delivers();
  await byData.delivers();
  still.write('second half\r\n.\r\n');
  assert.equal((await still.reply()).code, 250);
});

function closedSessions(bed: RelayTestBed): number {
  return events(bed, 'session.closed');
}

function events(bed: RelayTestBed, name: string): number {
  return bed.relay.log.filter((line) => line.event === name).length;
}

/** A scene that knows when the relay gave its transaction up: the connection ended, or RSET came. */
function beginWatching(bed: RelayTestBed): { scene: Scene; abandoned: Promise<Connection> } {
  const { promise, resolve } = Promise.withResolvers<Connection>();
  let used: Connection | undefined;
  const scene = bed.begin({
    answer: (line, at) => {
      if (line.startsWith('RCPT')) {
        used = at;
        at.raw.once('close', () => resolve(at));
      }
      if (line === 'RSET' && at === used) resolve(at);
      return undefined;
    },
  });
  return { scene, abandoned: promise };
}
