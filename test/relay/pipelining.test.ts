/**
 * Recipients that a client pipelines (RFC 2920): in one flight to an upstream that pipelines, one by one to another, and
 * the replies in order.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accepted, mailCommands, RelayTestBed, WITH_CHUNKING } from '../support/relay-test-bed.ts';
import { CLOSE, GOOD_KEYWORDS, SILENCE } from '../support/scripted-upstream.ts';
import type { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const RECIPIENTS = Array.from({ length: 10 }, (_, index) => `RCPT TO:<r${index}@y.test>`);

let keywords = WITH_CHUNKING;
let bed: RelayTestBed;
before(async () => {
  bed = await RelayTestBed.start({ keywordsNow: () => keywords });
});
after(async () => bed.stop());

function group(...lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('');
}

async function codes(client: SmtpDialog, count: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let reply = 0; reply < count; reply += 1) found.push((await client.reply()).code);
  return found;
}

test('sends MAIL and all recipients before the upstream has answered any of them', LIMIT, async () => {
  const verdicts = RECIPIENTS.map((_, index) => (index === 3 ? '550 5.1.1 No such' : '250 2.1.5 Yes'));
  const scene = bed.begin({
    answer: (line) => {
      if (line.startsWith('MAIL') || (line.startsWith('RCPT') && line !== RECIPIENTS.at(-1))) return SILENCE;
      return line.startsWith('RCPT') ? group('250 2.1.0 Yes', ...verdicts) : undefined;
    },
  });
  using client = await bed.client();
  await accepted(client, 'EHLO pushy');
  client.write(group('MAIL FROM:<a@x.test>', ...RECIPIENTS, 'DATA'));
  assert.deepEqual(await codes(client, 12), [250, ...verdicts.map((text) => Number(text.slice(0, 3))), 354]);
  client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.deepEqual(await codes(client, 1), [250]);
  assert.deepEqual(mailCommands(scene).slice(0, 11), ['MAIL FROM:<a@x.test>', ...RECIPIENTS]);
  assert.equal(scene.messages.length, 1);
});

test(
  'answers in the order of the commands, whatever the upstream refuses and the relay itself',
  LIMIT,
  async () => {
    bed.begin();
    using client = await bed.client();
    await accepted(client, 'EHLO pushy', 'MAIL FROM:<a@x.test>');
    client.write(
      group('RCPT TO:<b@y.test>', 'RCPT TO:<', 'RCPT TO:<c@y.test> FOO=BAR', 'NOOP', 'RCPT TO:<d@y.test>'),
    );
    assert.deepEqual(await codes(client, 5), [250, 501, 555, 250, 250]);
  },
);

test('sends one command at a time to an upstream that does not pipeline', LIMIT, async () => {
  keywords = GOOD_KEYWORDS.filter((keyword) => keyword !== 'PIPELINING');
  await bed.upstream.hangUp();
  const seen: number[] = [];
  bed.begin({
    answer: async (line, at) => {
      if (!line.startsWith('RCPT')) return undefined;
      await new Promise((resolve) => setImmediate(resolve)); // whoever does not wait has sent the next one by now
      seen.push(at.secured.toString('latin1').split('RCPT TO:').length - 1);
      return undefined;
    },
  });
  using client = await bed.client();
  await accepted(client, 'EHLO pushy');
  client.write(group('MAIL FROM:<a@x.test>', ...RECIPIENTS));
  assert.deepEqual(
    await codes(client, 11),
    Array.from({ length: 11 }, () => 250),
  );
  assert.deepEqual(
    seen,
    RECIPIENTS.map((_, index) => index + 1),
  );
  client.close();
  keywords = WITH_CHUNKING;
  await bed.upstream.hangUp();
});

test('sends all recipients again, in order, when a kept hop was dead', LIMIT, async () => {
  await bed.delivers();
  const first = bed.upstream.connections.at(-1);
  const scene = bed.begin({
    answer: (line, at) => (at === first && line.startsWith('MAIL') ? CLOSE : undefined),
  });
  using client = await bed.client();
  await accepted(client, 'EHLO pushy');
  client.write(group('MAIL FROM:<a@x.test>', ...RECIPIENTS.slice(0, 3), 'DATA'));
  assert.deepEqual(await codes(client, 5), [250, 250, 250, 250, 354]);
  client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.deepEqual(await codes(client, 1), [250]);
  assert.deepEqual(scene.messages[0]?.rcpts, RECIPIENTS.slice(0, 3));
});

test('answers all recipients alike when the upstream refuses MAIL', LIMIT, async () => {
  bed.begin({ answer: (line) => (line.startsWith('MAIL') ? '550 5.7.1 Not you\r\n' : undefined) });
  using client = await bed.client();
  await accepted(client, 'EHLO pushy');
  client.write(group('MAIL FROM:<a@x.test>', ...RECIPIENTS, 'DATA', 'RSET'));
  assert.deepEqual(await codes(client, 13), [250, ...RECIPIENTS.map(() => 550), 554, 250]);
});

test('answers recipients that are under way when the client closes its side', LIMIT, async () => {
  bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO pushy');
  client.socket.end(group('MAIL FROM:<a@x.test>', ...RECIPIENTS));
  assert.deepEqual(
    await codes(client, 11),
    Array.from({ length: 11 }, () => 250),
  );
  assert.equal(await client.ended(), '');
});

test('takes more recipients in one go than are under way at a time', LIMIT, async () => {
  bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO pushy');
  const many = Array.from({ length: 1_000 }, (_, index) => `RCPT TO:<r${index}@y.test>`);
  client.write(group('MAIL FROM:<a@x.test>', ...many, 'RSET'));
  assert.deepEqual(
    await codes(client, 1_002),
    Array.from({ length: 1_002 }, () => 250),
  );
});
