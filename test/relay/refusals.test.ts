/**
 * What the relay refuses by itself, and with which words: the rows of the failure table that need no hostile upstream.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';

import { RelayTestBed, WITH_CHUNKING, accepted, mailCommands } from '../support/relay-test-bed.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const BARE_KEYWORDS = ['PIPELINING', 'SIZE 200000'];
const MAX_OCTETS = 100_000;

const [byData, byBdat, bare, headers] = await Promise.all([
  RelayTestBed.start({ variables: { SEALPOST_MAX_MESSAGE_SIZE: `${MAX_OCTETS}` } }),
  RelayTestBed.start({ keywords: WITH_CHUNKING, variables: { SEALPOST_MAX_MESSAGE_SIZE: `${MAX_OCTETS}` } }),
  RelayTestBed.start({
    keywords: BARE_KEYWORDS,
    variables: { SEALPOST_CLIENT_NETWORKS: '127.0.0.1/32' },
  }),
  RelayTestBed.start(),
]);
after(async () => Promise.all([byData.stop(), byBdat.stop(), bare.stop(), headers.stop()]));
const BOTH = [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const;

test('refuses with 552 5.3.4 what SIZE declares too big', LIMIT, async () => {
  const scene = byData.begin();
  using client = await byData.client();
  await accepted(client, 'EHLO client.test');
  const reply = await refusedBeforeContent(client, `MAIL FROM:<a@x.test> SIZE=${MAX_OCTETS + 1}`);
  assert.match(reply, /^552 5\.3\.4 /);
  assert.equal(scene.messages.length, 0);
  await accepted(client, 'RSET', `MAIL FROM:<a@x.test> SIZE=${MAX_OCTETS}`, 'RCPT TO:<b@y.test>');
});

test('refuses with 552 5.3.4 what SIZE declares bigger than the upstream takes', LIMIT, async () => {
  bare.begin();
  using client = await bare.client();
  await accepted(client, 'EHLO client.test');
  assert.match(await refusedBeforeContent(client, 'MAIL FROM:<a@x.test> SIZE=200001'), /^552 5\.3\.4 /);
  await accepted(client, 'RSET', 'MAIL FROM:<a@x.test> SIZE=199000', 'RCPT TO:<b@y.test>');
});

test(
  'refuses with 552 5.3.4 an undeclared message that grows bigger than the upstream takes',
  LIMIT,
  async () => {
    const scene = bare.begin();
    using client = await bare.client();
    assert.match((await client.send(`Subject: big\r\n\r\n${lines(250_000)}`)).raw, /^552 5\.3\.4 /);
    assert.equal(scene.messages.length, 0);
    await bare.delivers();
  },
);

for (const [way, bed] of BOTH) {
  test(`refuses with 552 5.3.4 an undeclared message that grows too big, by ${way}`, LIMIT, async () => {
    const scene = bed.begin();
    using client = await bed.client();
    const reply = await client.send(`Subject: big\r\n\r\n${lines(MAX_OCTETS + 100)}`);
    assert.match(reply.raw, /^552 5\.3\.4 /);
    assert.equal(scene.messages.length, 0);
    assert.equal((await client.send('Subject: small\r\n\r\nHello')).code, 250);
    assert.equal(scene.messages.length, 1);
  });

  test(
    `refuses with 554 5.4.6 the message that 100 Received fields show to loop, by ${way}`,
    LIMIT,
    async () => {
      const scene = bed.begin();
      using client = await bed.client();
      assert.match((await client.send(withReceived(100))).raw, /^554 5\.4\.6 /);
      assert.equal(scene.messages.length, 0);
      await bed.delivers();
    },
  );

  test(`lets 99 Received fields pass, by ${way}`, LIMIT, async () => {
    const scene = bed.begin();
    using client = await bed.client();
    assert.equal((await client.send(withReceived(99))).code, 250);
    const content = scene.messages[0]?.content.toString('latin1') ?? '';
    assert.equal(content.match(/^received:/gim)?.length, 100, 'the 99 and the one of this relay');
  });
}

test('does not count Received in the body as hops', LIMIT, async () => {
  byData.begin();
  using client = await byData.client();
  const reply = await client.send(`Subject: quoted\r\n\r\n${'Received: from loop\r\n'.repeat(150)}`);
  assert.equal(reply.code, 250);
});

for (const [way, endless] of [
  ['of many fields', `X-Many: ${'m'.repeat(60)}\r\n`.repeat(16_000)],
  ['of one folded field', `X-Folded: a\r\n${` ${'f'.repeat(70)}\r\n`.repeat(15_000)}`],
  ['of one line', `X-Line: ${'l'.repeat(1_060_000)}\r\n`],
] as const) {
  test(`refuses with 554 5.6.0 a header block above 1 MiB ${way}`, LIMIT, async () => {
    const scene = headers.begin();
    using client = await headers.client();
    assert.match((await client.send(`${endless}\r\nbody`)).raw, /^554 5\.6\.0 /);
    assert.equal(scene.messages.length, 0);
    await headers.delivers();
  });
}

test('takes a header block just below 1 MiB', LIMIT, async () => {
  const scene = headers.begin();
  using client = await headers.client();
  const block = `X-Many: ${'m'.repeat(60)}\r\n`.repeat(14_900);
  assert.equal((await client.send(`${block}\r\nbody`)).code, 250);
  assert.ok(scene.messages[0]?.content.toString('latin1').endsWith(`${block}\r\nbody\r\n`) === true);
});

test(
  'refuses with 554 5.6.3 content that was declared 8-bit and is, when the upstream lacks 8BITMIME',
  LIMIT,
  async () => {
    const scene = bare.begin();
    using client = await bare.client();
    const begin = ['EHLO client.test', 'MAIL FROM:<a@x.test> BODY=8BITMIME', 'RCPT TO:<b@y.test>', 'DATA'];
    await accepted(client, ...begin);
    client.write('Subject: x\r\n\r\nplain\r\ngr\xfc\xdfe\r\n.\r\n');
    assert.match((await client.reply()).raw, /^554 5\.6\.3 .*quoted-printable/);
    assert.equal(scene.messages.length, 0);
    await accepted(client, ...begin);
    client.write('Subject: x\r\n\r\nplain\r\n.\r\n');
    assert.equal((await client.reply()).code, 250, 'what was declared 8-bit and is not needs no 8BITMIME');
    assert.deepEqual(
      mailCommands(scene).filter((line) => line.startsWith('MAIL')),
      ['MAIL FROM:<a@x.test>', 'MAIL FROM:<a@x.test>'],
    );
  },
);

test('refuses SMTPUTF8 with 553 5.6.7 when the upstream lacks it', LIMIT, async () => {
  const scene = bare.begin();
  using client = await bare.client();
  await accepted(client, 'EHLO client.test');
  assert.match(await refusedBeforeContent(client, 'MAIL FROM:<a@x.test> SMTPUTF8'), /^553 5\.6\.7 /);
  assert.equal(mailCommands(scene).length, 0);
  await accepted(client, 'RSET', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
});

for (const line of [
  'MAIL FROM:<a@x.test> FOO=BAR',
  'MAIL FROM:<a@x.test> XYZZY',
  'MAIL FROM:<a@x.test> SIZE=10 BY=1;R',
]) {
  test(`refuses an unknown parameter with 555 5.5.4: ${line}`, LIMIT, async () => {
    byData.begin();
    using client = await byData.client();
    await accepted(client, 'EHLO client.test');
    assert.match((await client.command(line)).raw, /^555 5\.5\.4 /);
    await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  });
}

test('refuses an unknown parameter of RCPT with 555 5.5.4 and keeps the transaction', LIMIT, async () => {
  const scene = byData.begin();
  using client = await byData.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
  assert.match((await client.command('RCPT TO:<b@y.test> FOO=BAR')).raw, /^555 5\.5\.4 /);
  await accepted(client, 'RCPT TO:<c@y.test>', 'DATA');
  client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await client.reply()).code, 250);
  assert.deepEqual(scene.messages[0]?.rcpts, ['RCPT TO:<c@y.test>']);
});

test('refuses a client outside SEALPOST_CLIENT_NETWORKS with 550 5.7.1', LIMIT, async () => {
  const before = bare.upstream.connections.length;
  const socket = connect({ port: bare.relay.port(), host: '127.0.0.1', localAddress: '127.0.0.9' });
  await once(socket, 'connect');
  using stranger = SmtpDialog.over(socket);
  assert.match((await stranger.reply()).raw, /^550 5\.7\.1 /);
  await stranger.ended();
  await bare.relay.event('session.refused');
  assert.equal(bare.upstream.connections.length, before, 'the upstream was not asked');
  await bare.delivers();
});

/** The refusal may come at MAIL or, since MAIL goes up with RCPT, at RCPT: but before any content. */
async function refusedBeforeContent(client: SmtpDialog, mail: string): Promise<string> {
  const reply = await client.command(mail);
  return reply.code >= 400 ? reply.raw : (await client.command('RCPT TO:<b@y.test>')).raw;
}

function withReceived(count: number): string {
  return `${Array.from({ length: count }, (_, index) => received(index)).join('')}Subject: hops\r\n\r\nHello`;
}

function received(index: number): string {
  const name = ['Received', 'received', 'RECEIVED'][index % 3];
  return `${name}: from h${index}.test\r\n\tby h${index + 1}.test; Sun, 22 Nov 2026 04:48:00 +0000\r\n`;
}

function lines(octets: number): string {
  return `${'x'.repeat(74)}\r\n`.repeat(Math.ceil(octets / 76));
}
