/**
 * Messages that an upstream does not take now: kept, acknowledged, and delivered once it does.
 *
 * Guarantees tested: whenever the upstream fails for a while, the client hears 250 with the id that the message has in the
 * trace field and in the log; what arrives later is what was sent, for those who have not got it, with one trace field.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { connect } from 'node:tls';

import { authority } from '../support/pool-scene.ts';
import type { LogLine, RelayProcess } from '../support/relay-process.ts';
import {
  CLOSE,
  GOOD_KEYWORDS,
  SILENCE,
  ScriptedUpstream,
  type Answer,
  type Connection,
  type Message,
  type Script,
} from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';
import { spoolRelay } from '../support/spool-relay.ts';

const OPTIONS = { concurrency: 3, timeout: 60_000 };
const LATER = '451 4.3.0 Later\r\n';
/** Long enough to be on its way when the upstream fails, and with lines that begin with dots. */
const TEXT = `Subject: x\r\n\r\n..two\r\n.one\r\n${`${'0123456789'.repeat(7)}\r\n`.repeat(3_000)}`;
const STUFFED = TEXT.replaceAll('\r\n.', '\r\n..');

after(() => authority.remove());

/** By what the sender is called: where the upstream fails when it first meets him, and how. */
const PHASES = ['mail', 'rcpt', 'data', 'body', 'final'] as const;
const WAYS: Readonly<Record<string, Answer>> = { later: LATER, lost: CLOSE };
const VERBS: Readonly<Record<string, string>> = { MAIL: 'mail', RCPT: 'rcpt', DATA: 'data' };

/** Fails each sender once. */
function failingOnce(): Partial<Script> {
  const met = new Set<string>();
  const failure = (phase: string, at: Connection): Answer | undefined => {
    const sender = at.commands.findLast((line) => line.startsWith('MAIL')) ?? '';
    const [, way = '', where = ''] = /<(\w+)\.(\w+)@/.exec(sender) ?? [];
    if (where !== phase || met.has(sender)) return undefined;
    met.add(sender);
    return WAYS[way];
  };
  return {
    answer: (line, at) => {
      const phase = VERBS[line.split(' ')[0] ?? ''];
      return phase === undefined ? undefined : failure(phase, at);
    },
    onContent: (_octets, at) => {
      const answer = failure('body', at);
      if (answer === CLOSE) at.destroy();
      else if (answer !== undefined) at.write(answer);
    },
    verdict: (_message, at) => failure('final', at) ?? '250 2.0.0 Queued\r\n',
  };
}

describe('what the upstream does not take now', OPTIONS, () => {
  for (const [by, keywords] of [
    ['DATA', GOOD_KEYWORDS],
    ['BDAT', [...GOOD_KEYWORDS, 'CHUNKING']],
  ] as const) {
    test(`keeps and then delivers what fails for a while at any phase, by ${by}`, async () => {
      await using at = await spoolRelay({ ...failingOnce(), keywords });
      const phases = PHASES.filter((phase) => by === 'DATA' || phase !== 'data');
      const senders = Object.keys(WAYS).flatMap((way) => phases.map((phase) => `${way}.${phase}`));
      const keeps = async (sender: string): Promise<readonly [string, string]> => [
        sender,
        keptAs(await sent(at.relay, `${sender}@x.test`)),
      ];
      // First, on a new hop: a kept one that is lost at MAIL is replaced, and the message delivered at once.
      const first = await keeps('lost.mail');
      const others = senders.filter((sender) => sender !== 'lost.mail');
      const ids = [first, ...(await Promise.all(others.map(keeps)))];
      for (const [sender, tid] of ids) {
        await at.relay.event('spool.delivered', (line) => line['tid'] === tid);
        const arrived = at.upstream.messages.filter(({ mail }) => mail.includes(`<${sender}@`));
        const last = arrived.at(-1);
        // Where the verdict was lost or put off, or said early, the upstream of this test may have seen it before.
        const isSeenBefore = sender.endsWith('.final') || sender === 'later.body';
        assert.ok(arrived.length === 1 || isSeenBefore, sender);
        assertWhole(last, tid);
        assert.deepEqual(last?.rcpts, ['RCPT TO:<b@y.test>']);
      }
      assert.equal(at.relay.log.filter(({ event }) => event === 'message.spooled').length, senders.length);
      assert.equal(spooledBecause(at.relay, ids, 'lost.final'), 'outcome-unknown');
      // The whole of a short body may be on its way before the loss of the hop is seen.
      assert.match(String(spooledBecause(at.relay, ids, 'lost.body')), /^(?:lost|outcome-unknown)$/);
      assert.equal(spooledBecause(at.relay, ids, 'later.mail'), 'refused');
      assert.equal(at.relay.log.filter(({ event }) => event === 'transaction.refused').length, 0);
      assert.equal(await at.kept(), 0);
    });
  }

  test('takes a message while the upstream is down, and delivers it when it is up', async () => {
    await using at = await spoolRelay();
    const { port, script } = at.upstream;
    await at.upstream[Symbol.asyncDispose]();
    using client = await SmtpDialog.open(at.relay.port());
    await client.command('EHLO x');
    client.write('MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n');
    assert.match((await client.reply()).raw, /^250 2\.1\.0 .*kept/);
    assert.equal((await client.reply()).code, 250);
    assert.equal((await client.reply()).code, 250);
    assert.equal((await client.reply()).code, 354);
    client.write(`${STUFFED}\r\n.\r\n`);
    const tid = keptAs(await client.reply());
    assert.equal(await at.kept(), 1);
    await using again = await ScriptedUpstream.start({ ...script, port });
    await again.received(1);
    assert.deepEqual(again.messages[0]?.rcpts, ['RCPT TO:<b@y.test>', 'RCPT TO:<c@y.test>']);
    assertWhole(again.messages[0], tid);
  });

  test('delivers to whom the upstream takes, and keeps the message for whom it may take later', async () => {
    let isBusy = true;
    const script: Partial<Script> = {
      answer: (line) => {
        if (line === 'RCPT TO:<never@y.test>') return '550 5.1.1 Nobody\r\n';
        return line === 'RCPT TO:<later@y.test>' && isBusy ? LATER : undefined;
      },
    };
    await using at = await spoolRelay(script);
    using client = await SmtpDialog.open(at.relay.port());
    await client.command('EHLO x');
    client.write('MAIL FROM:<a@x.test>\r\nRCPT TO:<now@y.test>\r\nRCPT TO:<later@y.test>\r\n');
    client.write('RCPT TO:<never@y.test>\r\nDATA\r\n');
    const codes: number[] = [];
    for (let reply = 0; reply < 5; reply += 1) codes.push((await client.reply()).code);
    assert.deepEqual(codes, [250, 250, 250, 550, 354]);
    client.write(`${STUFFED}\r\n.\r\n`);
    const tid = keptAs(await client.reply());
    assert.deepEqual(
      at.upstream.messages[0]?.rcpts,
      [
        'RCPT TO:<now@y.test>',
        'RCPT TO:<later@y.test>', // the script notes what it was asked, whatever it answered
        'RCPT TO:<never@y.test>',
      ].slice(0, at.upstream.messages[0]?.rcpts.length),
    );
    assert.equal((await at.relay.event('message.spooled'))['recipients'], 1);
    isBusy = false;
    await at.upstream.received(2);
    assert.deepEqual(at.upstream.messages[1]?.rcpts, ['RCPT TO:<later@y.test>']);
    assertWhole(at.upstream.messages[1], tid);
  });

  test('keeps what asks for REQUIRETLS, and asks the upstream for it later', async () => {
    const { certFile, keyFile } = authority.files(authority.issue());
    const variables = {
      SEALPOST_LISTEN_TLS: '127.0.0.1:0',
      SEALPOST_LISTEN_CERT_FILE: certFile,
      SEALPOST_LISTEN_KEY_FILE: keyFile,
    };
    await using at = await spoolRelay(
      { ...failingOnce(), keywords: [...GOOD_KEYWORDS, 'REQUIRETLS'] },
      variables,
    );
    await at.relay.event('listener.started', (line) => line['tls'] === true);
    const socket = connect({
      port: at.relay.port(1),
      host: '127.0.0.1',
      ca: authority.caPem,
      servername: 'localhost',
    });
    await once(socket, 'secureConnect');
    using client = SmtpDialog.over(socket);
    await client.reply();
    for (const line of ['EHLO x', 'MAIL FROM:<later.mail@x.test> REQUIRETLS', 'RCPT TO:<b@y.test>', 'DATA'])
      assert.ok((await client.command(line)).code < 400, line);
    client.write(`${STUFFED}\r\n.\r\n`);
    const tid = keptAs(await client.reply());
    await at.upstream.received(1);
    assert.equal(at.upstream.messages[0]?.mail, 'MAIL FROM:<later.mail@x.test> REQUIRETLS');
    assertWhole(at.upstream.messages[0], tid);
  });

  test('costs a message that the upstream takes no flight', async () => {
    const envelope = ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'RCPT TO:<c@y.test>'];
    const script: Partial<Script> = {
      keywords: [...GOOD_KEYWORDS, 'CHUNKING'],
      answer: (line) => {
        if (line === envelope.at(-1)) return '250 2.1.0 Yes\r\n250 2.1.5 Yes\r\n250 2.1.5 Yes\r\n';
        return envelope.includes(line) ? SILENCE : undefined;
      },
    };
    await using at = await spoolRelay(script);
    using client = await SmtpDialog.open(at.relay.port());
    await client.command('EHLO x');
    client.write(`${[...envelope, 'DATA'].join('\r\n')}\r\n`);
    for (const code of [250, 250, 250, 354]) assert.equal((await client.reply()).code, code);
    client.write(`${STUFFED}\r\n.\r\n`);
    assert.match((await client.reply()).raw, /Queued/);
    assert.equal(await at.kept(), 0);
  });

  test('keeps a message of 25 MB of which the upstream took most, with little memory', async () => {
    const block = Buffer.from(`${'0123456789'.repeat(9)}abcdefgh\r\n`.repeat(10_000));
    let octets = 0;
    let isFlaky = true;
    const script: Partial<Script> = {
      onContent: (more, at) => {
        octets += more;
        if (isFlaky && octets > 20_000_000) at.destroy();
      },
    };
    await using at = await spoolRelay(script);
    await sent(at.relay, 'warm@x.test');
    using client = await SmtpDialog.open(at.relay.port());
    for (const line of ['EHLO x', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA'])
      assert.ok((await client.command(line)).code < 400);
    const before = await at.relay.residentOctets();
    let peak = before;
    client.write('Subject: large\r\n\r\n');
    for (let megabyte = 0; megabyte < 25; megabyte += 1) {
      if (!client.socket.write(block)) await once(client.socket, 'drain');
      peak = Math.max(peak, await at.relay.residentOctets());
    }
    client.write('.\r\n');
    const tid = keptAs(await client.reply());
    isFlaky = false;
    const delivered = await at.relay.event('spool.delivered');
    assert.equal(delivered['tid'], tid);
    assert.ok(peak - before < 50_000_000, `grew by ${(peak - before) / 1_000_000} MB`);
    const content = at.upstream.messages.at(-1)?.content ?? Buffer.alloc(0);
    const body = content.subarray(content.indexOf('\r\n\r\n') + 4);
    const expected = createHash('sha256');
    for (let megabyte = 0; megabyte < 25; megabyte += 1) expected.update(block);
    assert.equal(createHash('sha256').update(body).digest('hex'), expected.digest('hex'));
  });
});

async function sent(relay: RelayProcess, sender: string): Promise<DialogReply> {
  using client = await SmtpDialog.open(relay.port());
  return await client.send(STUFFED, sender);
}

function keptAs({ code, raw }: DialogReply): string {
  assert.equal(code, 250, raw);
  const [, id = ''] = /Kept in the spool as (\w+)/.exec(raw) ?? [];
  assert.notEqual(id, '', raw);
  return id;
}

function spooledBecause(
  { log }: RelayProcess,
  ids: readonly (readonly [string, string])[],
  sender: string,
): unknown {
  const tid = new Map(ids).get(sender);
  const isIts = ({ event, ...line }: LogLine): boolean => event === 'message.spooled' && line['tid'] === tid;
  return log.find(isIts)?.['failure'];
}

/** One trace field with the id in front, then what the client sent. */
function assertWhole(message: Message | undefined, tid: string): void {
  const content = message?.content.toString() ?? '';
  assert.equal(content.match(/^Received:/gm)?.length, 1);
  assert.match(content, new RegExp(`^Received: [^]*? id ${tid};`));
  assert.ok(content.endsWith(`${TEXT}\r\n`), 'the content is not what was sent');
}
