/**
 * What the upstream says is what the client hears: every recipient's reply and the final one.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';

import type { Connection } from '../support/scripted-upstream.ts';
import { RelayTestBed, WITH_CHUNKING, accepted, answering, mailCommands } from '../support/relay-test-bed.ts';

const LIMIT = { timeout: 20_000 };
const [byData, byBdat] = await Promise.all([
  RelayTestBed.start(),
  RelayTestBed.start({ keywords: WITH_CHUNKING }),
]);
after(async () => Promise.all([byData.stop(), byBdat.stop()]));

interface Mirrored {
  readonly upstream: readonly string[];
  /** Where it differs from what the upstream said. */
  readonly client?: readonly string[];
}

const RECIPIENT_REPLIES: readonly Mirrored[] = [
  { upstream: ['250 2.1.5 Recipient <b@y.test> welcome'] },
  { upstream: ['250 no enhanced code here'] },
  { upstream: ['251 2.1.5 User not local; will forward to <c@z.test>'] },
  { upstream: ['252 2.1.5 Cannot say, will try'] },
  { upstream: ['250-2.1.5 Accepted', '250 2.1.5 on the second line too'] },
  { upstream: ['450 4.2.1 Mailbox busy, try later'] },
  { upstream: ['452 4.5.3 Too many recipients'] },
  { upstream: ['550 5.1.1 No such user here'] },
  { upstream: ['550 plain words only'] },
  { upstream: ['550-5.1.1 The address', '550-5.1.1 you wrote to', '550 5.1.1 does not exist'] },
  { upstream: ['550-Line without a code', '550-', '550 after an empty one'] },
  { upstream: ['550 5.7.30 Basic authentication is not supported'] },
  { upstream: ['550 4.1.1 Enhanced code of another class'], client: ['550 Enhanced code of another class'] },
  { upstream: ['450 5.2.1 Enhanced code of another class'], client: ['450 Enhanced code of another class'] },
  { upstream: ['250 5.0.0 Enhanced code of another class'], client: ['250 Enhanced code of another class'] },
  {
    upstream: ['550-5.1.1 Only the second', '550 4.1.1 is wrong'],
    client: ['550-5.1.1 Only the second', '550 is wrong'],
  },
];

for (const { upstream, client: expected = upstream } of RECIPIENT_REPLIES) {
  test(`mirrors at RCPT: ${upstream.join(' / ')}`, LIMIT, async () => {
    byData.begin(answering({ RCPT: upstream.join('\r\n') }));
    using client = await byData.client();
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
    assert.equal((await client.command('RCPT TO:<b@y.test>')).raw, expected.join('\n'));
    assert.equal((await client.command('RCPT TO:<c@y.test>')).raw, expected.join('\n'));
  });
}

const FINAL_REPLIES: readonly Mirrored[] = [
  { upstream: ['250 2.0.0 Ok: queued as 4XyZ1a2b'] },
  { upstream: ['250 OK id=1tEsT-000000-00'] },
  { upstream: ['250-2.0.0 Your message', '250-2.0.0 has been', '250 2.0.0 queued as 17'] },
  { upstream: ['451 4.7.1 Greylisted, come back in 5 minutes'] },
  { upstream: ['452 4.2.2 Mailbox full'] },
  { upstream: ['550-5.7.1 This looks like spam.', '550 5.7.1 See https://upstream.test/why'] },
  { upstream: ['554 5.2.252 SendAsDenied; a@x.test not allowed'] },
  { upstream: ['554 4.4.4 Wrong class'], client: ['554 Wrong class'] },
];

for (const [way, bed] of [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const) {
  for (const { upstream, client: expected = upstream } of FINAL_REPLIES) {
    test(`mirrors at the end, by ${way}: ${upstream.join(' / ')}`, LIMIT, async () => {
      const scene = bed.begin({ verdict: () => `${upstream.join('\r\n')}\r\n` });
      using client = await bed.client();
      const reply = await client.send('Subject: x\r\n\r\nHello');
      assert.equal(reply.raw, expected.join('\n'));
      assert.deepEqual(
        scene.messages.map((message) => message.by),
        [way],
      );
    });
  }
}

test('sends MAIL and the first RCPT in one flight', LIMIT, async () => {
  await byData.delivers();
  const scene = byData.begin({
    answer: async (line, at) => {
      if (line.startsWith('MAIL')) await octetsBehind(line, at, 'RCPT TO:<b@y.test>\r\n');
      return undefined;
    },
  });
  using client = await byData.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<flight@x.test>', 'RCPT TO:<b@y.test>');
  assert.deepEqual(mailCommands(scene), ['MAIL FROM:<flight@x.test>', 'RCPT TO:<b@y.test>']);
});

test('answers MAIL with 250 and shows the refusal of MAIL at RCPT', LIMIT, async () => {
  const refusal = '550-5.7.60 Client does not have permission\r\n550 5.7.60 to send as this sender';
  byData.begin(answering({ MAIL: refusal, RCPT: '503 5.5.1 MAIL first' }));
  using client = await byData.client();
  await accepted(client, 'EHLO client.test');
  assert.equal((await client.command('MAIL FROM:<a@x.test>')).code, 250);
  assert.equal((await client.command('RCPT TO:<b@y.test>')).raw, refusal.replace('\r', ''));
  assert.ok((await client.command('RCPT TO:<c@y.test>')).code >= 400);
  assert.ok([503, 554].includes((await client.command('DATA')).code));
  await accepted(client, 'RSET');
  byData.begin();
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
});

for (const refusal of [
  '451 4.3.0 Not now',
  '554 5.5.1 No valid recipients',
  '554-5.7.1 No\r\n554 5.7.1 means no',
]) {
  test(`mirrors a refusal of DATA in place of 354: ${refusal.slice(0, 9)}`, LIMIT, async () => {
    const scene = byData.begin(answering({ DATA: refusal }));
    using client = await byData.client();
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
    assert.equal((await client.command('DATA')).raw, refusal.replaceAll('\r', ''));
    assert.equal(scene.messages.length, 0);
    await accepted(client, 'RSET');
    byData.begin();
    assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
  });
}

test('delivers to the good recipient after refused ones', LIMIT, async () => {
  const scene = byData.begin({
    answer: (line) => (line.startsWith('RCPT TO:<no') ? '550 5.1.1 No such user\r\n' : undefined),
  });
  using client = await byData.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
  assert.equal((await client.command('RCPT TO:<no1@y.test>')).raw, '550 5.1.1 No such user');
  assert.equal((await client.command('RCPT TO:<yes@y.test>')).raw, '250 2.1.5 Recipient ok');
  assert.equal((await client.command('RCPT TO:<no2@y.test>')).raw, '550 5.1.1 No such user');
  assert.equal((await client.command('DATA')).code, 354);
  client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await client.reply()).raw, '250 2.0.0 Queued as 4711');
  assert.deepEqual(scene.messages[0]?.rcpts, ['RCPT TO:<yes@y.test>']);
});

for (const [way, bed] of [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const) {
  test(`refuses DATA when every recipient was refused, upstream sees no ${way}`, LIMIT, async () => {
    const scene = bed.begin(answering({ RCPT: '550 5.1.1 No such user' }));
    using client = await bed.client();
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
    assert.equal((await client.command('RCPT TO:<b@y.test>')).code, 550);
    assert.equal((await client.command('RCPT TO:<c@y.test>')).code, 550);
    assert.ok([503, 554].includes((await client.command('DATA')).code));
    await bed.delivers();
    assert.ok(!mailCommands(scene).some((line) => /^(?:DATA|BDAT)/.test(line)));
  });
}

for (const verb of ['MAIL', 'RCPT', 'DATA']) {
  test(`turns a 421 of the upstream at ${verb} into 451 4.3.2`, LIMIT, async () => {
    byData.begin(answering({ [verb]: '421 4.7.0 Too busy, closing' }));
    using client = await byData.client();
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
    let reply = await client.command('RCPT TO:<b@y.test>');
    if (verb === 'DATA') reply = await client.command('DATA');
    assert.match(reply.raw, /^451 4\.3\.2 /);
    assert.equal((await client.command('NOOP')).code, 250, 'the client keeps its connection');
    await byData.delivers();
  });
}

for (const [way, bed] of [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const) {
  test(`turns a 421 of the upstream at the end of a message by ${way} into 451 4.3.2`, LIMIT, async () => {
    bed.begin({ verdict: () => '421 4.3.2 System going down\r\n' });
    using client = await bed.client();
    assert.match((await client.send('Subject: x\r\n\r\nHello')).raw, /^451 4\.3\.2 /);
    assert.equal((await client.command('NOOP')).code, 250, 'the client keeps its connection');
    await bed.delivers();
  });
}

/** Waits until octets have come behind a line that is being answered. */
async function octetsBehind(line: string, at: Connection, octets: string): Promise<void> {
  const start = at.secured.lastIndexOf(line);
  while (!at.secured.subarray(start).includes(octets)) await once(at.socket, 'data');
}
