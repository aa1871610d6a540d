/**
 * Clients and upstreams that leave, refuse or reset at the worst moment: nothing is lost, leaked or mixed up, and the
 * relay serves on.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accepted, answering, mailCommands, RelayTestBed, WITH_CHUNKING } from '../support/relay-test-bed.ts';
import { CLOSE, GOOD_KEYWORDS, SILENCE, type Answer, type Connection } from '../support/scripted-upstream.ts';
import type { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 20_000 };
const ENVELOPE = ['EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'] as const;

/** The end of a session is a debug event. */
const DEBUG = { SEALPOST_LOG_LEVEL: 'debug' };

let byData: RelayTestBed;
let byBdat: RelayTestBed;
let upgrading: RelayTestBed;
let stateless: RelayTestBed;

before(async () => {
  byData = await RelayTestBed.start({ variables: DEBUG });
  byBdat = await RelayTestBed.start({ keywords: WITH_CHUNKING, variables: DEBUG });
  const keywords = GOOD_KEYWORDS.filter((keyword) => keyword !== 'PIPELINING');
  stateless = await RelayTestBed.start({ keywords, variables: DEBUG });
  const state = byData.authority.directory;
  upgrading = await RelayTestBed.start({
    variables: { ...DEBUG, SEALPOST_LISTEN_STARTTLS: 'on', SEALPOST_STATE_DIR: state },
  });
});

after(async () => {
  for (const bed of [upgrading, stateless, byBdat, byData]) await bed.stop();
});

/** An answer that waits until the test lets it go. */
function held(): {
  readonly answer: Promise<Answer | undefined>;
  readonly reached: Promise<void>;
  reach(): void;
  go(): void;
} {
  const answer = Promise.withResolvers<Answer | undefined>();
  const reached = Promise.withResolvers<void>();
  return {
    answer: answer.promise,
    reached: reached.promise,
    reach: reached.resolve,
    go: () => answer.resolve(undefined),
  };
}

/** Resets the client that connected last; resolves when the relay knows. */
async function leave({ relay }: RelayTestBed, client: SmtpDialog): Promise<void> {
  const sid = relay.log.findLast(({ event }) => event === 'session.opened')?.['sid'];
  client.socket.resetAndDestroy();
  await relay.event('session.closed', (line) => line['sid'] === sid);
}

/** Resolves when the relay has closed that connection. */
async function hungUp(bed: RelayTestBed, at: () => Connection | undefined): Promise<void> {
  while (at()?.closed !== true) await bed.upstream.changed();
}

test('loses only the client that resets its connection between STARTTLS and the upgrade', LIMIT, async () => {
  const reset = held();
  upgrading.begin({
    answer: async (line) => {
      if (line !== 'RSET') return undefined;
      reset.reach();
      return reset.answer;
    },
  });
  const client = await upgrading.client();
  await accepted(client, ...ENVELOPE);
  client.write('STARTTLS\r\n');
  await reset.reached;
  await leave(upgrading, client);
  reset.go();
  await upgrading.delivers();
  assert.equal(upgrading.relay.child.exitCode, null);
});

test('ends the session of a client that closes its side instead of a handshake', LIMIT, async () => {
  upgrading.begin();
  using client = await upgrading.client();
  const sid = upgrading.relay.log.findLast(({ event }) => event === 'session.opened')?.['sid'];
  await accepted(client, 'EHLO client.test', 'STARTTLS');
  client.socket.end();
  await upgrading.relay.event('session.closed', (line) => line['sid'] === sid);
});

test('gives a new hop back when the client resets while it replaces a dead one', LIMIT, async () => {
  await byData.delivers();
  const ehlo = held();
  let isFirst = true;
  const scene = byData.begin({
    answer: async (line, { socket }) => {
      if (line.startsWith('MAIL') && isFirst) {
        isFirst = false;
        socket.destroy();
      }
      if (!line.startsWith('EHLO') || isFirst) return undefined;
      ehlo.reach();
      return ehlo.answer;
    },
  });
  const client = await byData.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
  const opened = byData.upstream.connections.length;
  client.write('RCPT TO:<b@y.test>\r\n');
  await ehlo.reached;
  await leave(byData, client);
  ehlo.go();
  await byData.delivers();
  assert.equal(byData.upstream.connections.length, opened + 1, 'the new hop served the next message');
  assert.deepEqual(mailCommands(scene), ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>']);
});

test(
  'cuts the connection, and writes no RSET, when the client leaves while DATA waits for its 354',
  LIMIT,
  async () => {
    const data = held();
    let at: Connection | undefined;
    const scene = byData.begin({
      answer: async (line, connection) => {
        if (line !== 'DATA') return undefined;
        at = connection;
        data.reach();
        return data.answer;
      },
    });
    const client = await byData.client();
    await accepted(client, ...ENVELOPE);
    client.write('DATA\r\n');
    await data.reached;
    client.socket.resetAndDestroy();
    await hungUp(byData, () => at);
    assert.equal(scene.commands.at(-1), 'DATA');
    data.go();
    await byData.delivers();
  },
);

test('sends no RSET behind an unanswered command where the upstream does not pipeline', LIMIT, async () => {
  const rcpt = held();
  let at: Connection | undefined;
  const scene = stateless.begin({
    answer: async (line, connection) => {
      if (!line.startsWith('RCPT')) return undefined;
      at = connection;
      rcpt.reach();
      return rcpt.answer;
    },
  });
  const client = await stateless.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
  client.write('RCPT TO:<b@y.test>\r\n');
  await rcpt.reached;
  client.socket.resetAndDestroy();
  await hungUp(stateless, () => at);
  assert.ok(!scene.commands.includes('RSET'));
  rcpt.go();
  await stateless.delivers();
});

test('passes on the refusal of a chunk, also when the upstream hangs up behind it', LIMIT, async () => {
  byBdat.begin({
    // Refuses the first chunk, takes its octets for lines that need no answer, and hangs up at the last.
    answer: (line, connection) => {
      if (line.endsWith('LAST')) return CLOSE;
      if (!line.startsWith('BDAT')) return line.startsWith('x') ? SILENCE : undefined;
      connection.write('552 5.3.4 Too big for us\r\n');
      return SILENCE;
    },
  });
  using client = await byBdat.client();
  const reply = await client.send(`Subject: big\r\n\r\n${'x'.repeat(100_000)}`);
  assert.equal(reply.raw, '552 5.3.4 Too big for us');
  await byBdat.delivers();
});

test('passes on the refusal of a chunk, also when nonsense follows it in one segment', LIMIT, async () => {
  byBdat.begin({
    answer: (line, connection) => {
      if (line.startsWith('x')) return SILENCE;
      if (!line.startsWith('BDAT')) return undefined;
      connection.write('552 5.3.4 Too big for us\r\nnonsense\r\n');
      return SILENCE;
    },
  });
  using client = await byBdat.client();
  const reply = await client.send(`Subject: big\r\n\r\n${'x'.repeat(100_000)}`);
  assert.equal(reply.raw, '552 5.3.4 Too big for us');
  await byBdat.delivers();
});

test('passes on the refusal of a chunk while the upstream reads nothing more', LIMIT, async () => {
  byBdat.begin({
    answer: (line, connection) => {
      if (!line.startsWith('BDAT')) return undefined;
      connection.raw.pause();
      connection.socket.pause();
      connection.write('552 5.3.4 Too big for us\r\n');
      return SILENCE;
    },
  });
  using client = await byBdat.client();
  const reply = await client.send(`Subject: big\r\n\r\n${'x'.repeat(40_000_000)}`);
  assert.equal(reply.raw, '552 5.3.4 Too big for us');
  await byBdat.delivers();
});

test('passes on a refusal in one segment with the 354', LIMIT, async () => {
  byData.begin({
    answer: (line) => (line === 'DATA' ? '354 Go ahead\r\n552 5.3.4 Not today\r\n' : undefined),
  });
  using client = await byData.client();
  assert.equal((await client.send('Subject: x\r\n\r\nx')).raw, '552 5.3.4 Not today');
  await byData.delivers();
});

test('passes on a refusal that comes before the end of the content', LIMIT, async () => {
  let at: Connection | undefined;
  byData.begin({
    onContent: (_octets, connection) => {
      if (at === undefined) connection.write('552 5.3.4 Too big for us\r\n');
      at = connection;
    },
  });
  using client = await byData.client();
  await accepted(client, ...ENVELOPE);
  assert.equal((await client.command('DATA')).code, 354);
  client.write('Subject: big\r\n\r\nbegin\r\n');
  await hungUp(byData, () => at);
  client.write('end\r\n.\r\n');
  assert.equal((await client.reply()).raw, '552 5.3.4 Too big for us');
  await byData.delivers();
});

test('answers a MAIL of many kilobytes with 501 and logs no error of its own', LIMIT, async () => {
  using client = await byData.client();
  await accepted(client, 'EHLO client.test');
  const reply = await client.command(`MAIL FROM:<a@x.test> ENVID=${'x'.repeat(11_000)}`);
  assert.equal(reply.code, 501, reply.raw);
  assert.ok(!byData.relay.log.some(({ event }) => event === 'internal.error'));
});

test('carries an ORCPT whose + is not encoded', LIMIT, async () => {
  const scene = byData.begin();
  using client = await byData.client();
  await accepted(
    client,
    'EHLO client.test',
    'MAIL FROM:<a@x.test>',
    'RCPT TO:<b@y.test> ORCPT=rfc822;user+10@y.test',
  );
  assert.equal(scene.commands.at(-1), 'RCPT TO:<b@y.test> ORCPT=rfc822;user+10@y.test');
});

test('puts an empty line before a message that begins with its body', LIMIT, async () => {
  for (const bed of [byData, byBdat]) {
    const scene = bed.begin(answering({}));
    using client = await bed.client();
    assert.equal((await client.send('Hello world')).code, 250);
    assert.match(
      scene.messages[0]?.content.toString() ?? '',
      /\r\nMessage-ID: [^\r]*\r\n\r\nHello world\r\n$/,
    );
  }
});
