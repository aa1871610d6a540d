/**
 * Clients that say anything, in pieces of any size, to a relay process with a good upstream.
 *
 * Invariants: each command and each message has one reply, in order; 250 after content only where the upstream said so;
 * the process lives and serves the next client; nothing was said in clear.
 */
import assert from 'node:assert/strict';

import fc from 'fast-check';

import { COMMAND_LINE_OCTETS } from '../../../src/protocol/limits.ts';
import { assertClearText } from '../hostile-judgement.ts';
import { RelayTestBed, WITH_CHUNKING } from '../relay-test-bed.ts';
import { SmtpDialog } from '../smtp-dialog.ts';
import { cut, cuts, damaged, octetsOf } from './octets.ts';
import { fuzzTarget, type FuzzTarget } from './target.ts';

interface Talk {
  /** All that the client says, one after the other. */
  readonly said: readonly string[];
  readonly cuts: readonly number[];
}

const ENDED_MS = 10_000;
/** Of the relay's log; the port is in them. */
const LINES_OF_THE_START = 10;

const command = damaged([
  'EHLO client.test\r\n',
  'HELO client.test\r\n',
  'MAIL FROM:<a@x.test>\r\n',
  'MAIL FROM:<a@x.test> SIZE=100 BODY=8BITMIME\r\n',
  'RCPT TO:<b@y.test>\r\n',
  'RCPT TO:<refused@y.test> NOTIFY=NEVER\r\n',
  'DATA\r\n',
  'RSET\r\n',
  'NOOP\r\n',
  'VRFY a\r\n',
  'HELP\r\n',
  'AUTH PLAIN AHVzZXIAcGFzcw==\r\n',
  'AUTH LOGIN\r\n',
  'dXNlcg==\r\n',
  'BDAT 3 LAST\r\nabc',
  'STARTTLS\r\n',
  'QUIT\r\n',
]);
const good = fc.constantFrom(
  'EHLO client.test\r\n',
  'MAIL FROM:<a@x.test>\r\n',
  'RCPT TO:<b@y.test>\r\n',
  'DATA\r\n',
  'EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nSubject: x\r\n\r\nHello\r\n.\r\n',
  'Subject: x\r\n\r\nHello\r\n.\r\n',
  'Subject: never taken\r\nX-Verdict: 554\r\n\r\nHello\r\n.\r\n',
);
const content = damaged([
  'Subject: x\r\n\r\nHello\r\n.\r\n',
  '..\r\n.a\r\n\r\n.\r\n.\r\n',
  'a\n.\nb\r.\r\r\n.\r\n',
]);
const talks: fc.Arbitrary<Talk> = fc.record({
  said: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: good },
      { weight: 3, arbitrary: command },
      { weight: 2, arbitrary: content },
    ),
    { maxLength: 14 },
  ),
  cuts,
});

/** Ends the connection before anything is parsed (docs/DESIGN.md, The listener). */
const FOREIGN =
  /^(?:[A-Z]+ \S* HTTP\/|GET |POST |PUT |HEAD |CONNECT |OPTIONS |DELETE |PATCH |TRACE |PROXY |\p{Cc})/iu;

export async function clientSide(cleanup: AsyncDisposableStack): Promise<readonly FuzzTarget[]> {
  const variables = { SEALPOST_CLIENT_AUTH: 'any' };
  const beds = {
    data: cleanup.use(await RelayTestBed.start({ variables })),
    bdat: cleanup.use(await RelayTestBed.start({ variables, keywords: WITH_CHUNKING })),
  };
  return Object.entries(beds).map(([name, bed]) =>
    fuzzTarget<Talk>(
      { name: `client-${name}`, inputs: talks, check: async (talk) => play(bed, talk) },
      (input): input is Talk => typeof input === 'object' && input !== null && 'said' in input,
    ),
  );
}

async function play(bed: RelayTestBed, talk: Talk): Promise<void> {
  const { messages } = bed.begin({
    answer: (line) => (line.includes('<refused@') ? '550 5.1.1 Nobody\r\n' : undefined),
    verdict: (message) =>
      message.content.includes('X-Verdict: 554') ? '554 5.6.0 No\r\n' : '250 2.0.0 Queued\r\n',
  });
  const text = talk.said.join('');
  const answered = await answersTo(bed, cut(octetsOf(text), talk.cuts));
  const taken = accounted(text, answered);
  const accepted = messages.filter(({ content: octets }) => !octets.includes('X-Verdict: 554')).length;
  assert.equal(
    taken,
    accepted,
    `the client was told 250 for ${taken} messages, the upstream took ${accepted}`,
  );
  assertClearText(bed.upstream);
  forget(bed);
  await bed.delivers();
  assert.ok(!bed.relay.output.includes('internal.error'), bed.relay.output.slice(-2_000));
}

/** Everything that comes back until the connection ends. */
async function answersTo(bed: RelayTestBed, pieces: readonly Buffer[]): Promise<string> {
  using client = await SmtpDialog.openSilently(bed.relay.port());
  for (const piece of pieces) {
    client.write(piece);
    await new Promise((resolve) => setImmediate(resolve)); // a read of its own, most of the time
  }
  client.socket.end();
  const late = AbortSignal.timeout(ENDED_MS);
  const ended = client.ended();
  const answer = await Promise.race([
    ended,
    new Promise<undefined>((resolve) => late.addEventListener('abort', () => resolve(undefined))),
  ]);
  assert.ok(answer !== undefined, 'the connection ends when the client has ended it');
  return answer;
}

/**
 * Goes through both sides of a session.
 *
 * @returns how many messages were answered with 250
 */
function accounted(text: string, answered: string): number {
  const replies = repliesOf(answered);
  const mayBreakOff =
    FOREIGN.test(text) || text.split('\n').some((line) => line.length > COMMAND_LINE_OCTETS);
  let taken = 0;
  let rest = text;
  let code = replies.shift();
  assert.ok(code === 220 || mayBreakOff, 'a greeting');
  while (code !== undefined && code !== 221 && code !== 421) {
    const isContent = code === 354;
    const end = isContent ? `\r\n${rest}`.indexOf('\r\n.\r\n') + 3 : rest.indexOf('\n') + 1;
    if (end < (isContent ? 3 : 1)) break; // what has no end has no reply
    rest = rest.slice(end);
    code = replies.shift();
    assert.ok(
      code !== undefined || mayBreakOff,
      `no reply to what ends before ${JSON.stringify(rest.slice(0, 60))}`,
    );
    if (isContent && code === 250) taken += 1;
  }
  assert.deepEqual(replies, [], 'nothing is answered that was not said');
  return taken;
}

/** Codes of whole replies. */
function repliesOf(answered: string): number[] {
  const codes: number[] = [];
  let rest = answered;
  while (rest !== '') {
    const [whole, code] = /^(?:(\d{3})-[^\r\n]*\r\n)*/.exec(rest) ?? [];
    const [last, lastCode] = /^(\d{3})(?: [^\r\n]*)?\r\n/.exec(rest.slice(whole?.length)) ?? [];
    assert.ok(last !== undefined, `not a reply: ${JSON.stringify(rest.slice(0, 100))}`);
    assert.ok(code === undefined || code === lastCode, 'one code for one reply');
    codes.push(Number(lastCode));
    rest = rest.slice((whole?.length ?? 0) + last.length);
  }
  return codes;
}

/** What the upstream keeps for tests would grow for as long as this runs. */
function forget({ upstream, relay }: RelayTestBed): void {
  upstream.messages.splice(0);
  const open = upstream.connections.filter(({ closed }) => !closed);
  upstream.connections.splice(0, upstream.connections.length, ...open);
  relay.log.splice(LINES_OF_THE_START);
  relay.output = relay.output.slice(-100_000);
}
