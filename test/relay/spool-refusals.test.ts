/**
 * What the spool does not take: its client hears of it at once, and nothing of it is kept.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { authority, MESSAGE, scene, sendTo } from '../support/pool-scene.ts';
import type { RelayProcess } from '../support/relay-process.ts';
import { CLOSE, type Connection, type Script } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';
import { spoolRelay, type SpoolRelay } from '../support/spool-relay.ts';

const OPTIONS = { concurrency: 2, timeout: 60_000 };
const LARGE = `Subject: x\r\n\r\n${`${'0123456789'.repeat(7)}\r\n`.repeat(5_000)}`;
const DOWN: Partial<Script> = { greeting: CLOSE };

const untrusted = new TestAuthority('Nobody knows it');
after(() => {
  authority.remove();
  untrusted.remove();
});

/** One message; lines until the first refusal. */
async function sent(relay: RelayProcess, content = MESSAGE, from = 'a@x.test'): Promise<DialogReply> {
  using client = await SmtpDialog.open(relay.port());
  return await client.send(content, from);
}

const PUTTING_ONE_OFF: Partial<Script> = {
  answer: (line) => (line === 'RCPT TO:<later@y.test>' ? '450 4.2.1 Later\r\n' : undefined),
};

/** @param before the content */
async function sentToTwo({ relay }: SpoolRelay, before?: () => void): Promise<DialogReply> {
  using client = await SmtpDialog.open(relay.port());
  for (const line of [
    'EHLO x',
    'MAIL FROM:<a@x.test>',
    'RCPT TO:<b@y.test>',
    'RCPT TO:<later@y.test>',
    'DATA',
  ])
    assert.ok((await client.command(line)).code < 400, line);
  before?.();
  client.write(`${MESSAGE}\r\n.\r\n`);
  return await client.reply();
}

function claimedIn({ directory }: SpoolRelay): unknown {
  using database = new DatabaseSync(join(directory, 'spool.sqlite'));
  return database.prepare('SELECT count(claim) AS claimed FROM messages').get()?.['claimed'];
}

async function assertNothingKept(at: SpoolRelay): Promise<void> {
  assert.equal(await at.kept(), 0);
  assert.ok(!at.relay.log.some(({ event }) => event === 'message.spooled'));
}

/** Whether the sender is called like the phase. */
function refusing(phase: string, { commands }: Connection): boolean {
  return commands.findLast((line) => line.startsWith('MAIL'))?.includes(`<${phase}@`) === true;
}

describe('a spool does not stand in the way: it', OPTIONS, () => {
  test('refuses at MAIL what cannot be secured', async () => {
    await using at = await spoolRelay({ identity: untrusted.issue({ san: 'DNS:localhost' }) });
    using client = await SmtpDialog.open(at.relay.port());
    await client.command('EHLO x');
    assert.match((await client.command('MAIL FROM:<a@x.test>')).raw, /^451 4\.7\.5/);
    await assertNothingKept(at);
  });

  test('passes on what the upstream refuses for good, at any phase', async () => {
    const script: Partial<Script> = {
      answer: (line, connection) => {
        const [verb = ''] = line.split(' ');
        return refusing(verb.toLowerCase(), connection) ? `554 5.7.1 Not this ${verb}\r\n` : undefined;
      },
      verdict: (_message, connection) =>
        refusing('final', connection) ? '554 5.7.1 Not this\r\n' : '250 2.0.0 Queued\r\n',
    };
    await using at = await spoolRelay(script);
    for (const phase of ['mail', 'rcpt', 'data', 'final'])
      assert.match((await sent(at.relay, MESSAGE, `${phase}@x.test`)).raw, /^554 5\.7\.1 Not this/, phase);
    assert.equal((await sent(at.relay)).code, 250);
    await assertNothingKept(at);
  });

  test('keeps nothing for the others when the upstream refuses the message for good', async () => {
    await using at: SpoolRelay = await spoolRelay({
      ...PUTTING_ONE_OFF,
      verdict: () => {
        assert.equal(claimedIn(at), 1); // safe for those who wait, before the end of it has an answer
        return '554 5.7.1 Spam\r\n';
      },
    });
    assert.equal((await sentToTwo(at)).raw, '554 5.7.1 Spam');
    await assertNothingKept(at);
  });

  test('keeps the message for all when the upstream puts it off at its end', async () => {
    await using at = await spoolRelay({ ...PUTTING_ONE_OFF, verdict: () => '451 4.3.0 Later\r\n' });
    assert.match((await sentToTwo(at)).raw, /^250 2\.0\.0 Kept/);
    assert.equal((await at.relay.event('message.spooled'))['recipients'], 2);
    assert.equal(await at.kept(), 1);
    assert.equal(claimedIn(at), 0);
  });

  test('delivers to nobody when the message cannot be kept for those who are put off', async () => {
    await using at = await spoolRelay(PUTTING_ONE_OFF);
    const vanishing = (): void => rmSync(join(at.directory, 'content'), { recursive: true });
    assert.match((await sentToTwo(at, vanishing)).raw, /^452 4\.3\.1/);
    assert.deepEqual(at.upstream.messages, []);
    assert.partialDeepStrictEqual(await at.relay.event('message.unspooled'), {
      failure: 'refused',
      reason: 'ENOENT',
    });
    await assertNothingKept(at);
  });

  test('says that a message may have been delivered which it cannot keep and nobody confirmed', async () => {
    await using at: SpoolRelay = await spoolRelay({
      verdict: () => {
        rmSync(join(at.directory, 'content'), { recursive: true });
        return CLOSE;
      },
    });
    assert.match((await sent(at.relay)).raw, /^452 4\.3\.1 .*may have been delivered already/);
    await assertNothingKept(at);
  });

  test('judges the message itself as ever, also while the upstream is down', async () => {
    const variables = {
      SEALPOST_MAX_MESSAGE_SIZE: '1000',
      SEALPOST_LINE_ENDINGS: 'strict',
      SEALPOST_ALLOWED_SENDERS: '@x.test',
    };
    await using at = await spoolRelay(DOWN, variables);
    assert.match((await sent(at.relay, 'Received: x\r\n'.repeat(100))).raw, /^55[24] /);
    assert.match((await sent(at.relay, `Subject: ${'x'.repeat(2_000)}\r\n\r\n`)).raw, /^552 5\.3\.4/);
    assert.match((await sent(at.relay, 'Subject: x\r\n\r\na\nb')).raw, /^554 5\.6\.0/);
    assert.match((await sent(at.relay, MESSAGE, 'a@other.test')).raw, /^550 5\.7\.1/);
    await assertNothingKept(at);
  });

  test('keeps nothing of a message whose client vanishes in the middle', async () => {
    await using at = await spoolRelay(DOWN);
    const client = await SmtpDialog.open(at.relay.port());
    for (const line of ['EHLO x', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA'])
      assert.ok((await client.command(line)).code < 400, line);
    client.write(LARGE);
    client.close();
    await at.relay.event('transaction.abandoned');
    await assertNothingKept(at);
  });

  test('says 452 when it is full, and delivers what the upstream takes', async () => {
    let isDown = true;
    const script: Partial<Script> = {
      answer: (line) => (isDown && line.startsWith('MAIL') ? '451 4.3.0 Later\r\n' : undefined),
    };
    await using at = await spoolRelay(script, { SEALPOST_SPOOL_MAX_MESSAGES: '1' });
    assert.equal(await sendTo(at.relay), 250);
    using client = await SmtpDialog.open(at.relay.port());
    for (const line of ['EHLO x', 'MAIL FROM:<a@x.test>']) await client.command(line);
    assert.match((await client.command('RCPT TO:<b@y.test>')).raw, /^452 4\.3\.1/);
    assert.equal(await at.kept(), 1);
    const told = await at.relay.event('message.unspooled');
    assert.partialDeepStrictEqual(told, { failure: 'refused', reason: 'full' });
    isDown = false;
    assert.match((await sent(at.relay)).raw, /Queued/);
    await at.relay.event('spool.delivered');
    assert.equal(at.upstream.messages.length, 2);
  });

  test('says 452 at once when it is full and there is no upstream, or only one recipient has to wait', async () => {
    await using at = await spoolRelay(PUTTING_ONE_OFF, { SEALPOST_SPOOL_MAX_OCTETS: '1000' });
    using client = await SmtpDialog.open(at.relay.port());
    for (const line of ['EHLO x', 'MAIL FROM:<a@x.test> SIZE=1001', 'RCPT TO:<b@y.test>'])
      assert.equal((await client.command(line)).code, 250, line);
    assert.match((await client.command('RCPT TO:<later@y.test>')).raw, /^452 4\.3\.1/);
    assert.equal((await client.command('DATA')).code, 354);
    client.write(`${MESSAGE}\r\n.\r\n`);
    assert.match((await client.reply()).raw, /Queued/);
    await at.upstream[Symbol.asyncDispose]();
    assert.match((await client.command('MAIL FROM:<a@x.test> SIZE=1001')).raw, /^452 4\.3\.1/);
    assert.equal((await at.relay.event('transaction.refused'))['failure'], 'spool');
    await assertNothingKept(at);
  });

  test('says 452 when a draft cannot be written, and delivers what the upstream takes', async () => {
    let isLost = false;
    await using at = await spoolRelay({ verdict: () => (isLost ? CLOSE : '250 2.0.0 Queued\r\n') });
    rmSync(join(at.directory, 'drafts'), { recursive: true });
    writeFileSync(join(at.directory, 'drafts'), '');
    assert.match((await sent(at.relay, LARGE)).raw, /^250 2\.0\.0 Queued/);
    isLost = true;
    assert.match((await sent(at.relay, LARGE)).raw, /^452 4\.3\.1/);
    await assertNothingKept(at);
  });

  test('is not there unless it is asked for', async () => {
    await using at = await scene(DOWN);
    assert.equal(await sendTo(at.relay), 451);
  });
});
