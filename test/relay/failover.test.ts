/**
 * Several upstreams, of which some are down, insecure, full or about to restart.
 *
 * Guarantees tested: they are tried in order before content comes; one that fails is passed over, and preferred again when
 * it is back; none of a message that may have arrived goes to another; the log tells of each change.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { authority, identity, MESSAGE, sendTo } from '../support/pool-scene.ts';
import { startRelay, type LogLine, type RelayProcess } from '../support/relay-process.ts';
import { CLOSE, SILENCE, ScriptedUpstream, type Script } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 60_000 };
const UNTRUSTED = new TestAuthority('Nobody knows it');

after(() => {
  authority.remove();
  UNTRUSTED.remove();
});

async function upstreamWith(script: Partial<Script> = {}): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
}

async function relayTo(...upstreams: readonly ScriptedUpstream[]): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_UPSTREAM: upstreams.map(({ url }) => url).join(','),
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LOG_LEVEL: 'debug',
    SEALPOST_CONNECT_TIMEOUT: '5',
  });
}

/** Its port is free from now on. @returns to be called when it is to be back */
async function takeDown(upstream: ScriptedUpstream): Promise<() => Promise<ScriptedUpstream>> {
  const { port, script } = upstream;
  await upstream[Symbol.asyncDispose]();
  return async () => ScriptedUpstream.start({ ...script, port });
}

function failovers({ log }: RelayProcess): readonly LogLine[] {
  return log.filter(({ event }) => event === 'hop.failed-over');
}

/** The replies to these lines, behind EHLO. */
async function dialog(relay: RelayProcess, ...lines: readonly string[]): Promise<readonly DialogReply[]> {
  using client = await SmtpDialog.open(relay.port());
  await client.command('EHLO x');
  const replies: DialogReply[] = [];
  for (const line of lines) replies.push(await client.command(line));
  return replies;
}

test('goes to the next upstream while the first is down, and back when it is up again', LIMIT, async () => {
  const first = await upstreamWith();
  const { url } = first;
  await using second = await upstreamWith();
  await using relay = await relayTo(first, second);
  const restart = await takeDown(first);
  for (let message = 0; message < 3; message += 1) assert.equal(await sendTo(relay), 250);
  assert.equal(second.messages.length, 3);
  const [told, ...more] = failovers(relay);
  assert.deepEqual(more, []);
  assert.equal(told?.['from'], url);
  assert.equal(told?.['failure'], 'unreachable');
  assert.equal(told?.['port'], second.port);
  await using again = await restart();
  while (again.messages.length === 0) assert.equal(await sendTo(relay), 250);
  assert.equal(await sendTo(relay), 250);
  assert.equal(again.messages.length, 2);
});

test(
  'passes over an upstream that cannot be secured, and tells why in an event of its own',
  LIMIT,
  async () => {
    await using insecure = await upstreamWith({ identity: UNTRUSTED.issue({ san: 'DNS:localhost' }) });
    await using secure = await upstreamWith();
    await using relay = await relayTo(insecure, secure);
    assert.equal(await sendTo(relay), 250);
    assert.equal(secure.messages.length, 1);
    assert.equal(insecure.clear + insecure.secured, '');
    const [told] = failovers(relay);
    assert.equal(told?.['failure'], 'tls');
    assert.equal(told?.['resultType'], 'certificate-not-trusted');
    assert.equal(told?.['from'], insecure.url);
  },
);

test('tries an upstream that is set aside ever more rarely, and not for each message', LIMIT, async () => {
  await using insecure = await upstreamWith({ identity: UNTRUSTED.issue({ san: 'DNS:localhost' }) });
  await using secure = await upstreamWith();
  await using relay = await relayTo(insecure, secure);
  for (let message = 0; message < 20; message += 1) assert.equal(await sendTo(relay), 250);
  assert.equal(secure.messages.length, 20);
  assert.ok(insecure.connections.length < 10, `${insecure.connections.length} times`);
  assert.equal(failovers(relay).length, 1);
});

test('refuses at MAIL when no upstream can be secured, though the next may be tried too', LIMIT, async () => {
  await using one = await upstreamWith({ identity: UNTRUSTED.issue({ san: 'DNS:localhost' }) });
  await using other = await upstreamWith({ identity: authority.issue({ san: 'DNS:elsewhere.test' }) });
  await using relay = await relayTo(one, other);
  const [mail] = await dialog(relay, 'MAIL FROM:<a@x.test>');
  assert.equal(mail?.code, 451);
  assert.match(mail?.raw ?? '', /4\.7\.5/);
  assert.ok(one.connections.length > 0 && other.connections.length > 0);
  assert.deepEqual(failovers(relay), []);
});

test('refuses while all are down, and delivers as soon as one is back', LIMIT, async () => {
  const [first, second] = [await upstreamWith(), await upstreamWith()];
  await using relay = await relayTo(first, second);
  await takeDown(first);
  const restart = await takeDown(second);
  assert.equal(await sendTo(relay), 451);
  assert.equal(await sendTo(relay), 451);
  await using _again = await restart();
  assert.equal(await sendTo(relay), 250);
});

test('loses nothing and delivers nothing twice while the first comes and goes', LIMIT, async () => {
  const script: Partial<Script> = { keepContent: true };
  await using second = await upstreamWith(script);
  let first = await upstreamWith(script);
  const delivered: string[] = [];
  await using relay = await relayTo(first, second);
  for (let round = 0; round < 4; round += 1) {
    await sendAll(relay, round * 10);
    delivered.push(...subjects(first));
    const restart = await takeDown(first);
    await sendAll(relay, round * 10 + 5);
    first = await restart();
  }
  await first[Symbol.asyncDispose]();
  delivered.push(...subjects(second));
  const all = Array.from({ length: 40 }, (_, index) => String(index));
  assert.deepEqual(
    delivered.toSorted((a, b) => Number(a) - Number(b)),
    all,
  );
});

/** In the order of arrival. */
function subjects({ messages }: ScriptedUpstream): readonly string[] {
  return messages.map(({ content }) => /Subject: (\d+)/.exec(content.toString())?.[1] ?? '');
}

async function sendAll(relay: RelayProcess, from: number): Promise<void> {
  const numbers = Array.from({ length: 5 }, (_, index) => from + index);
  await Promise.all(
    numbers.map(async (number) => {
      using client = await SmtpDialog.open(relay.port());
      const reply = await client.send(`Subject: ${number}\r\n\r\nHello`);
      assert.equal(reply.code, 250, reply.raw);
    }),
  );
}

for (const [what, mail] of [
  ['is full', '452 4.3.1 Disk full\r\n'],
  ['is about to restart', '421 4.3.2 Restarting\r\n'],
  ['hangs up', CLOSE],
] as const) {
  test(`asks the next upstream when the first ${what} at MAIL`, LIMIT, async () => {
    await using first = await upstreamWith({
      answer: (line) => (line.startsWith('MAIL') ? mail : undefined),
    });
    await using second = await upstreamWith();
    await using relay = await relayTo(first, second);
    const replies = await pipelined(relay);
    assert.deepEqual(replies, [250, 250, 250, 354, 250]);
    const [message] = second.messages;
    assert.deepEqual(message?.rcpts, ['RCPT TO:<b@y.test>', 'RCPT TO:<c@y.test>']);
    assert.equal(failovers(relay)[0]?.['phase'], 'mail');
    await relay.event('transaction.delivered');
  });
}

/** One message for two recipients, its envelope in one write. @returns the codes of MAIL, RCPT, RCPT, DATA and the end */
async function pipelined(relay: RelayProcess): Promise<readonly number[]> {
  using client = await SmtpDialog.open(relay.port());
  await client.command('EHLO x');
  client.write('MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n');
  const codes: number[] = [];
  for (let reply = 0; reply < 4; reply += 1) codes.push((await client.reply()).code);
  if (codes.at(-1) !== 354) return codes;
  client.write(`${MESSAGE}\r\n.\r\n`);
  return [...codes, (await client.reply()).code];
}

test('passes on what the first said to MAIL when the next cannot be had', LIMIT, async () => {
  await using first = await upstreamWith({
    answer: (line) => (line.startsWith('MAIL') ? '452 4.3.1 Disk full\r\n' : undefined),
  });
  const second = await upstreamWith();
  await using relay = await relayTo(first, second);
  await takeDown(second);
  const [, rcpt] = await dialog(relay, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  assert.equal(rcpt?.raw, '452 4.3.1 Disk full');
});

test(
  'asks no other upstream about a sender or a recipient that the first refuses for good',
  LIMIT,
  async () => {
    await using first = await upstreamWith({
      answer: (line) => {
        if (line.includes('<bad@x.test>')) return '550 5.1.8 No such sender\r\n';
        return line.includes('<busy@y.test>') ? '450 4.2.1 Try later\r\n' : undefined;
      },
    });
    await using second = await upstreamWith();
    await using relay = await relayTo(first, second);
    const [, sender] = await dialog(relay, 'MAIL FROM:<bad@x.test>', 'RCPT TO:<b@y.test>');
    assert.equal(sender?.code, 550);
    const [, recipient] = await dialog(relay, 'MAIL FROM:<a@x.test>', 'RCPT TO:<busy@y.test>');
    assert.equal(recipient?.raw, '450 4.2.1 Try later');
    assert.equal(second.connections.length, 0);
  },
);

test(
  'goes to the next upstream while nobody is accepted, and to none behind an accepted recipient',
  LIMIT,
  async () => {
    await using first = await upstreamWith({
      answer: (line) => (line.includes('<last@y.test>') ? '421 4.3.2 Goodbye\r\n' : undefined),
    });
    await using second = await upstreamWith();
    await using relay = await relayTo(first, second);
    const moved = await dialog(
      relay,
      'MAIL FROM:<a@x.test>',
      'RCPT TO:<last@y.test>',
      'DATA',
      `${MESSAGE}\r\n.`,
    );
    assert.deepEqual(
      moved.map(({ code }) => code),
      [250, 250, 354, 250],
    );
    assert.equal(second.messages.length, 1);
    const lost = await dialog(
      relay,
      'MAIL FROM:<a@x.test>',
      'RCPT TO:<b@y.test>',
      'RCPT TO:<last@y.test>',
      'DATA',
    );
    assert.deepEqual(
      lost.map(({ code }) => code),
      [250, 250, 451, 451],
    );
    assert.equal(second.messages.length, 1);
  },
);

test('gives a message to no other upstream once its end was sent', LIMIT, async () => {
  await using first = await upstreamWith({ verdict: () => CLOSE });
  await using second = await upstreamWith();
  await using relay = await relayTo(first, second);
  using client = await SmtpDialog.open(relay.port());
  const reply = await client.send(MESSAGE);
  assert.equal(reply.code, 451);
  assert.match(reply.raw, /may have been delivered/);
  assert.equal(second.connections.length, 0);
});

test('leaves a hop that it has given up to whoever has it now', LIMIT, async () => {
  await using busy = await upstreamWith({
    answer: (line) => (line.startsWith('MAIL FROM:<later@') ? '451 4.3.0 later\r\n' : undefined),
  });
  await using silent = await upstreamWith({ greeting: SILENCE });
  await using relay = await relayTo(busy, silent);
  const refused = await SmtpDialog.open(relay.port());
  await refused.command('EHLO refused.test');
  await refused.command('MAIL FROM:<later@x.test>');
  refused.write('RCPT TO:<b@y.test>\r\n');
  while (silent.connections.length === 0) await silent.changed();
  using other = await SmtpDialog.open(relay.port());
  for (const line of ['EHLO other.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA'])
    assert.ok((await other.command(line)).code < 400);
  assert.equal(busy.connections.length, 1, 'on the hop that was given back');
  refused.close();
  await relay.event('session.closed');
  other.write(`${MESSAGE}\r\n.\r\n`);
  assert.equal((await other.reply()).code, 250);
});
