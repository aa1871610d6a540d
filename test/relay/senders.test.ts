/**
 * Who may send as whom and to whom, and what becomes of the sender, in the envelope and in the header.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { createTransport } from 'nodemailer';

import type { LogLine } from '../support/relay-process.ts';
import { RelayTestBed, WITH_CHUNKING, accepted, mailCommands } from '../support/relay-test-bed.ts';
import type { DialogReply } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 20_000 };
const SENDER = 'relay@verified.test';
const COMPLETE = 'Date: Sun, 22 Nov 2026 04:48:00 +0000\r\nMessage-ID: <1@x.test>\r\n';
const SIGNED = 'DKIM-Signature: v=1; d=x.test; h=From:To; b=abc\r\n';

const [always, choosy, strict] = await Promise.all([
  RelayTestBed.start({
    variables: {
      SEALPOST_SENDER: SENDER,
      SEALPOST_SENDER_REWRITE: 'always',
      SEALPOST_SENDER_KEEP_REPLY_TO: 'on',
      SEALPOST_LOCAL_DOMAIN: 'local.test',
    },
  }),
  RelayTestBed.start({
    keywords: WITH_CHUNKING,
    variables: {
      SEALPOST_SENDER: SENDER,
      SEALPOST_SENDER_REWRITE: 'unless-allowed',
      SEALPOST_ALLOWED_SENDERS: '@ok.test, ann@x.test',
      SEALPOST_SIGNED_MESSAGES: 'pass',
    },
  }),
  RelayTestBed.start({
    variables: {
      SEALPOST_ALLOWED_SENDERS: '@ok.test',
      SEALPOST_ALLOWED_RECIPIENTS: '@ok.test, *.below.test',
      SEALPOST_LOCAL_DOMAIN: 'ok.test',
      SEALPOST_TRACE: 'minimal',
    },
  }),
]);
after(async () => Promise.all([always.stop(), choosy.stop(), strict.stop()]));

interface Sent {
  readonly reply: DialogReply;
  /** What went up of the transaction. */
  readonly commands: readonly string[];
  /** Of the message that arrived, in Latin-1; empty if none did. */
  readonly front: string;
  readonly message: string;
}

/** @param content as it is sent, in Latin-1 */
async function send(
  bed: RelayTestBed,
  content: string,
  expected = content,
  from = 'a@x.test',
  to = 'b@y.test',
): Promise<Sent> {
  const scene = bed.begin();
  using client = await bed.client();
  const reply = await client.send(Buffer.from(content.replace(/\r\n$/, ''), 'latin1'), from, to);
  const arrived = scene.messages[0]?.content.toString('latin1') ?? '';
  const border = Math.max(arrived.length - expected.length, 0);
  const [front, message] = [arrived.slice(0, border), arrived.slice(border)];
  return { reply, commands: mailCommands(scene), front, message };
}

function eventsOf(bed: RelayTestBed, event: string): readonly LogLine[] {
  return bed.relay.log.filter((line) => line.event === event);
}

describe('with SEALPOST_SENDER_REWRITE=always', () => {
  test(
    'rewrites envelope and From, keeps the old From in Reply-To, and every other octet',
    LIMIT,
    async () => {
      const before =
        'Subject: x\r\nFROM:\t"Bell, Ann"\r\n <a@x.test> (c)\r\nTo: b@y.test\r\n\r\nFrom: a@x.test\r\n';
      const content = COMPLETE + before;
      const expected = content
        .replace('<a@x.test>', `<${SENDER}>`)
        .replace('To: b', 'Reply-To:\t"Bell, Ann"\r\n <a@x.test> (c)\r\nTo: b');
      const { reply, commands, front, message } = await send(always, content, expected);
      assert.equal(reply.code, 250, reply.raw);
      assert.equal(message, expected);
      assert.match(front, /^Received: from client\.test \(\[127\.0\.0\.1\]\)\r\n\tby /);
      assert.match(commands[0] ?? '', /^MAIL FROM:<relay@verified\.test>/);
      assert.match(commands[1] ?? '', /^RCPT TO:<b@y\.test>/);
    },
  );

  test('leaves the null sender alone and rewrites its From', LIMIT, async () => {
    const content = `${COMPLETE}From: MAILER-DAEMON\r\n\r\nx\r\n`;
    const expected = content.replace(
      'From: MAILER-DAEMON',
      `From: ${SENDER}\r\nReply-To: MAILER-DAEMON@local.test`,
    );
    const { commands, message } = await send(always, content, expected, '');
    assert.match(commands[0] ?? '', /^MAIL FROM:<>/);
    assert.equal(message, expected);
  });

  test('gives bare recipients their domain', LIMIT, async () => {
    const { commands } = await send(always, `${COMPLETE}\r\nx\r\n`, '', 'root', 'postmaster');
    assert.match(commands[0] ?? '', /^MAIL FROM:<relay@verified\.test>/);
    assert.match(commands[1] ?? '', /^RCPT TO:<postmaster@local\.test>/);
  });

  test('adds a From where there is none', LIMIT, async () => {
    const { front, message } = await send(always, `${COMPLETE}\r\nx\r\n`);
    assert.equal(message, `${COMPLETE}\r\nx\r\n`);
    assert.ok(front.endsWith(`\r\nFrom: ${SENDER}\r\n`), front);
    const bodyOnly = await send(always, 'Hello, no header here\r\n');
    assert.equal(bodyOnly.message, 'Hello, no header here\r\n');
    assert.ok(bodyOnly.front.endsWith(`\r\nFrom: ${SENDER}\r\n\r\n`), bodyOnly.front);
  });

  test('refuses a signed message before any of it leaves, and says why', LIMIT, async () => {
    const { reply, commands, message } = await send(always, `${SIGNED}From: a@x.test\r\n\r\nx\r\n`);
    assert.equal(reply.code, 550);
    assert.match(reply.lines.join(' '), /^5\.7\.1 .*DKIM.*SEALPOST_SIGNED_MESSAGES=pass/);
    assert.equal(message, '');
    assert.ok(!always.upstream.secured.includes('DKIM-Signature'), `content left: ${commands.join(' | ')}`);
    const [event] = eventsOf(always, 'message.signed');
    assert.deepEqual([event?.['signature'], event?.['action']], ['dkim', 'refused']);
    await always.delivers();
  });

  test('passes a signed message whose From is the sender already', LIMIT, async () => {
    const content = `${COMPLETE}${SIGNED}From: Relay <${SENDER}>\r\n\r\nx\r\n`;
    assert.equal((await send(always, content)).message, content);
  });

  test('treats a header alike in however small pieces it comes', LIMIT, async () => {
    const scene = always.begin();
    using client = await always.client();
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    const content = `${COMPLETE}Reply-To: r@x.test\r\nFrom: A <a@x.test>\r\n\r\nx\r\n`;
    for (const octet of `${content}.\r\n`) {
      client.write(octet);
      await new Promise(setImmediate);
    }
    assert.equal((await client.reply()).code, 250);
    const arrived = scene.messages[0]?.content.toString() ?? '';
    assert.ok(arrived.endsWith(content.replace('<a@x.test>', `<${SENDER}>`)), arrived);
  });

  const MAILS = [
    { from: { name: 'Jürgen Müller, Büro', address: 'a@x.test' }, text: 'Grüße\n.\n..\n' },
    { from: 'a@x.test', subject: 'ü'.repeat(100), text: 'x', html: '<p>From: a@x.test</p>' },
    {
      from: '"Ann \\"x\\" Bell" <a@x.test>',
      text: 'From: a@x.test\n',
      attachments: [{ content: 'a@x.test' }],
    },
    { from: `${'Äußerst langer Name '.repeat(8)}<a@x.test>`, replyTo: 'r@x.test', text: 'long' },
  ];
  for (const [index, mail] of MAILS.entries()) {
    test(`keeps every other octet of what nodemailer writes (${index + 1})`, LIMIT, async () => {
      const { message } = await createTransport({
        streamTransport: true,
        buffer: true,
        newline: 'windows',
      }).sendMail({ to: 'b@y.test', ...mail });
      assert.ok(Buffer.isBuffer(message));
      const raw = message.toString('latin1');
      const field = /^From:(.*\r\n(?:[ \t].*\r\n)*)/im.exec(raw)?.[1] ?? '';
      assert.equal(field.split('a@x.test').length, 2, 'its From has the address once');
      const replyTo = /^Reply-To:/im.test(raw) ? '' : `Reply-To:${field}`;
      const expected = raw.replace(field, () => field.replace('a@x.test', SENDER) + replyTo);
      const scene = always.begin();
      const transport = createTransport({ host: '127.0.0.1', port: always.relay.port() });
      await transport.sendMail({ envelope: { from: 'a@x.test', to: 'b@y.test' }, raw: message });
      transport.close();
      const arrived = scene.messages[0]?.content.toString('latin1') ?? '';
      assert.equal(arrived.slice(-expected.length).trimEnd(), expected.trimEnd());
    });
  }
});

describe('with SEALPOST_SENDER_REWRITE=unless-allowed', () => {
  for (const from of ['b@ok.test', 'Ann@X.test']) {
    test(`keeps the allowed sender ${from}`, LIMIT, async () => {
      const content = `${COMPLETE}From: <${from}>\r\n\r\nx\r\n`;
      const { commands, message } = await send(choosy, content, content, from);
      assert.ok((commands[0] ?? '').startsWith(`MAIL FROM:<${from}>`));
      assert.equal(message, content);
    });
  }

  test('rewrites another sender instead of refusing it', LIMIT, async () => {
    const content = `${COMPLETE}From: A <a@x.test>, b@ok.test\r\n\r\nx\r\n`;
    const expected = content.replace('a@x.test', SENDER);
    const { reply, commands, message } = await send(choosy, content, expected);
    assert.equal(reply.code, 250, reply.raw);
    assert.ok((commands[0] ?? '').startsWith(`MAIL FROM:<${SENDER}>`));
    assert.equal(message, expected);
  });

  test('judges From by itself, whatever the envelope says', LIMIT, async () => {
    const content = `${COMPLETE}From: a@x.test\r\n\r\nx\r\n`;
    const expected = content.replace('a@x.test', SENDER);
    assert.equal((await send(choosy, content, expected, 'b@ok.test')).message, expected);
  });

  test(
    'passes a signed message unchanged with SEALPOST_SIGNED_MESSAGES=pass, and logs it',
    LIMIT,
    async () => {
      const content = `${COMPLETE}${SIGNED}From: a@x.test\r\n\r\nx\r\n`;
      const { reply, message } = await send(choosy, content);
      assert.equal(reply.code, 250, reply.raw);
      assert.equal(message, content);
      const [event] = eventsOf(choosy, 'message.signed');
      assert.deepEqual([event?.['signature'], event?.['action'], event?.level], ['dkim', 'passed', 'warn']);
    },
  );
});

describe('without rewriting', () => {
  test(
    'refuses a sender that is not allowed at MAIL, for good, and asks the upstream nothing',
    LIMIT,
    async () => {
      const { reply, commands } = await send(strict, 'x\r\n', 'x\r\n', 'a@x.test', 'b@ok.test');
      assert.match(reply.raw, /^550 5\.7\.1 .*SEALPOST_ALLOWED_SENDERS/);
      assert.deepEqual(commands, []);
      const refused = eventsOf(strict, 'transaction.refused').find((line) => line['failure'] === 'policy');
      assert.equal(refused?.['phase'], 'none');
    },
  );

  test('refuses single recipients that are not allowed, and delivers to the others', LIMIT, async () => {
    const scene = strict.begin();
    using client = await strict.client();
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<root>', 'RCPT TO:<b@a.below.test>');
    const refusal = await client.command('RCPT TO:<b@evil.test>');
    assert.match(refusal.raw, /^550 5\.7\.1 .*SEALPOST_ALLOWED_RECIPIENTS/);
    await accepted(client, 'RCPT TO:<root>', 'DATA');
    client.write(`${COMPLETE}From: Cron <root>\r\n\r\nx\r\n.\r\n`);
    assert.equal((await client.reply()).code, 250);
    const recipients = mailCommands(scene).filter((line) => line.startsWith('RCPT'));
    assert.deepEqual(
      recipients.map((line) => line.split(' ')[1]),
      ['TO:<b@a.below.test>', 'TO:<root@ok.test>'],
    );
    const arrived = scene.messages[0]?.content.toString() ?? '';
    assert.ok(arrived.endsWith(`${COMPLETE}From: Cron <root@ok.test>\r\n\r\nx\r\n`), arrived);
  });

  test('tells nothing about the client in the trace header with SEALPOST_TRACE=minimal', LIMIT, async () => {
    const content = `${COMPLETE}From: b@ok.test\r\n\r\nx\r\n`;
    const { front, message } = await send(strict, content, content, 'b@ok.test', 'b@ok.test');
    assert.equal(message, content);
    assert.match(
      front,
      /^Received: by relay\.example\.test \(Sealpost\) with ESMTP id \w+;\r\n\t[^\r\n]+\r\n$/,
    );
    assert.ok(!/client\.test|127\.0\.0\.1/.test(front));
  });

  test('lets the null sender pass', LIMIT, async () => {
    const content = `${COMPLETE}From: x@evil.test\r\n\r\nx\r\n`;
    assert.equal((await send(strict, content, content, '', 'b@ok.test')).message, content);
  });
});
