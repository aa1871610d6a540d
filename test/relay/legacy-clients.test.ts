/**
 * What old devices say, as raw dialogs: all of it is served.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { RelayTestBed, accepted, mailCommands } from '../support/relay-test-bed.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 20_000 };
const [bed, asking] = await Promise.all([
  RelayTestBed.start(),
  RelayTestBed.start({ variables: { SEALPOST_CLIENT_AUTH: 'any' } }),
]);
after(async () => Promise.all([bed.stop(), asking.stop()]));

const ENVELOPES: readonly (readonly [said: readonly [string, string], sent: readonly [string, string]])[] = [
  [
    ['MAIL FROM:a@x.test', 'RCPT TO:b@y.test'],
    ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'],
  ],
  [
    ['MAIL FROM: <a@x.test>', 'RCPT TO: <b@y.test>'],
    ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'],
  ],
  [
    ['MAIL FROM : <a@x.test>', 'RCPT TO :  b@y.test  '],
    ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'],
  ],
  [
    ['mail from:<Root>', 'rcpt to:<root>'],
    ['MAIL FROM:<Root>', 'RCPT TO:<root>'],
  ],
  [
    ['MaIl FrOm:<>', 'rCpT tO:<postmaster>'],
    ['MAIL FROM:<>', 'RCPT TO:<postmaster>'],
  ],
  [
    ['MAIL FROM:<"a b"@c.d>', 'RCPT TO:<"a@b"@c.d>'],
    ['MAIL FROM:<"a b"@c.d>', 'RCPT TO:<"a@b"@c.d>'],
  ],
  [
    ['MAIL FROM:<"a>b\\"c"@c.d>', 'RCPT TO:<"<x>"@c.d>'],
    ['MAIL FROM:<"a>b\\"c"@c.d>', 'RCPT TO:<"<x>"@c.d>'],
  ],
  [
    ['MAIL FROM:<scanner@my_host.local>', 'RCPT TO:<user.@c.d>'],
    ['MAIL FROM:<scanner@my_host.local>', 'RCPT TO:<user.@c.d>'],
  ],
  [
    ['MAIL FROM:<@r1.test,@r2.test:a@x.test>', 'RCPT TO:<@r.test:b@y.test>'],
    ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'],
  ],
  [
    ['MAIL FROM:<a@[127.0.0.1]>', 'RCPT TO:<b@[IPv6:::1]>'],
    ['MAIL FROM:<a@[127.0.0.1]>', 'RCPT TO:<b@[IPv6:::1]>'],
  ],
];

for (const [said, sent] of ENVELOPES) {
  test(`takes the envelope ${said.join(' ')}`, LIMIT, async () => {
    const scene = bed.begin();
    using client = await bed.client();
    await accepted(client, 'HELO printer', ...said, 'DATA');
    client.write('Subject: scan\r\n\r\nHello\r\n.\r\n');
    assert.equal((await client.reply()).code, 250);
    assert.deepEqual(mailCommands(scene), [...sent, 'DATA']);
  });
}

test('offers nothing to a client that says HELO', LIMIT, async () => {
  using client = await bed.client();
  assert.equal((await accepted(client, 'HELO printer')).lines.length, 1);
});

test('takes MAIL from a client that greeted with nothing but a bare HELO', LIMIT, async () => {
  bed.begin();
  using client = await bed.client();
  const greeted = await client.command('HELO');
  if (greeted.code >= 400) assert.equal(greeted.code, 501);
  await accepted(client, 'HELO printer', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
});

test('takes everything in one write before the greeting, QUIT included', LIMIT, async () => {
  const scene = bed.begin();
  using client = await SmtpDialog.openSilently(bed.relay.port());
  client.write(wholeSession('one-write'));
  assert.deepEqual(await codes(client, 7), [220, 250, 250, 250, 354, 250, 221]);
  await client.ended();
  assert.match(scene.messages[0]?.content.toString() ?? '', /Subject: one-write\r\n\r\nHello\r\n$/);
});

test('takes un-negotiated pipelining after HELO', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  client.write('HELO pushy\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n');
  assert.deepEqual(await codes(client, 5), [250, 250, 250, 250, 354]);
  client.write('Subject: x\r\n\r\nHello\r\n.\r\nNOOP\r\nQUIT\r\n');
  assert.deepEqual(await codes(client, 3), [250, 250, 221]);
  assert.equal(scene.messages[0]?.rcpts.length, 2);
});

test('takes three whole messages and QUIT in one segment', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  client.write(`EHLO pushy\r\n${[1, 2, 3].map(pipelined).join('')}QUIT\r\n`);
  const each = [250, 250, 354, 250];
  assert.deepEqual(await codes(client, 14), [250, ...each, ...each, ...each, 221]);
  assert.deepEqual(
    scene.messages.map((one) => one.mail),
    ['MAIL FROM:<a1@x.test>', 'MAIL FROM:<a2@x.test>', 'MAIL FROM:<a3@x.test>'],
  );
});

test('takes a session one octet at a time', LIMIT, async () => {
  const scene = bed.begin();
  using client = await SmtpDialog.openSilently(bed.relay.port());
  for (const octet of wholeSession('dripping')) {
    client.write(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await codes(client, 7), [220, 250, 250, 250, 354, 250, 221]);
  assert.equal(scene.messages.length, 1);
});

test('takes RSET and NOOP anywhere', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(
    client,
    'NOOP',
    'RSET',
    'HELO printer',
    'RSET',
    'NOOP with words',
    'MAIL FROM:<gone@x.test>',
    'NOOP',
  );
  await accepted(client, 'RSET', 'MAIL FROM:<gone2@x.test>', 'RCPT TO:<gone@y.test>', 'RSET');
  await accepted(client, 'MAIL FROM:<a@x.test>', 'NOOP', 'RCPT TO:<b@y.test>', 'NOOP', 'DATA');
  client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await client.reply()).code, 250);
  await accepted(client, 'NOOP', 'RSET', 'rset', 'QUIT');
  assert.deepEqual(
    scene.messages.map(({ mail, rcpts }) => [mail, ...rcpts]),
    [['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>']],
  );
});

test('forgets the transaction at a second EHLO or HELO', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO one', 'EHLO two', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'EHLO three');
  assert.equal((await client.command('RCPT TO:<c@y.test>')).code, 503);
  assert.equal((await client.command('DATA')).code, 503);
  assert.equal((await client.send('Subject: x\r\n\r\nHello', 'd@x.test')).code, 250);
  assert.deepEqual(
    scene.messages.map((one) => one.mail),
    ['MAIL FROM:<d@x.test>'],
  );
});

test('takes many messages on one connection, refused ones in between', LIMIT, async () => {
  const scene = bed.begin({
    answer: (line) => (line.startsWith('RCPT TO:<no') ? '550 5.1.1 No such user\r\n' : undefined),
  });
  using client = await bed.client();
  await accepted(client, 'HELO printer');
  for (const to of ['1@y.test', 'no@y.test', '2@y.test', 'no@y.test', '3@y.test']) {
    const reply = await client.send('Subject: x\r\n\r\nHello', 'a@x.test', to);
    assert.equal(reply.code, to.startsWith('no') ? 550 : 250);
  }
  assert.equal(scene.messages.length, 3);
});

test('takes command lines that end with a bare LF', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  for (const line of ['HELO unix', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA']) {
    client.write(`${line}\n`);
    assert.ok((await client.reply()).code < 400, line);
  }
  client.write('Subject: x\r\n\r\nHello\r\n.\r\nQUIT\n');
  assert.deepEqual(await codes(client, 2), [250, 221]);
  assert.equal(scene.messages.length, 1);
});

for (const line of [
  'VRFY root',
  'VRFY <b@y.test>',
  'HELP',
  'HELP MAIL',
  'EXPN all',
  'TURN',
  'ETRN x',
  'WIZ',
  'KILL',
  'SHELL',
]) {
  test(`answers ${line} without harm`, LIMIT, async () => {
    using client = await bed.client();
    await accepted(client, 'EHLO client.test');
    const reply = await client.command(line);
    assert.ok([211, 214, 250, 252, 500, 502].includes(reply.code), reply.raw);
    if (/VRFY|EXPN/.test(line)) assert.notEqual(reply.code, 250, 'nothing was verified');
    await accepted(client, 'NOOP', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  });
}

const PLAIN = Buffer.from('\0device\0secret').toString('base64');
const USER = Buffer.from('device').toString('base64');
const PASSWORD = Buffer.from('secret').toString('base64');
const LOGINS: readonly (readonly [name: string, steps: readonly (readonly [string, number])[]])[] = [
  ['PLAIN with an initial response', [[`AUTH PLAIN ${PLAIN}`, 235]]],
  [
    'PLAIN without one',
    [
      ['AUTH PLAIN', 334],
      [PLAIN, 235],
    ],
  ],
  ['plain in lower case', [[`auth plain ${PLAIN}`, 235]]],
  [
    'LOGIN with an initial response',
    [
      [`AUTH LOGIN ${USER}`, 334],
      [PASSWORD, 235],
    ],
  ],
  [
    'LOGIN without one',
    [
      ['AUTH LOGIN', 334],
      [USER, 334],
      [PASSWORD, 235],
    ],
  ],
  [
    'login in lower case',
    [
      ['auth login', 334],
      [USER, 334],
      [PASSWORD, 235],
    ],
  ],
  [
    'PLAIN given up and tried again',
    [
      ['AUTH PLAIN', 334],
      ['*', 501],
      [`AUTH PLAIN ${PLAIN}`, 235],
    ],
  ],
];

for (const [name, steps] of LOGINS) {
  test(`lets a device that insists on it say AUTH ${name}`, LIMIT, async () => {
    const scene = asking.begin();
    using client = await asking.client();
    await accepted(client, 'EHLO device');
    for (const [line, code] of steps) assert.equal((await client.command(line)).code, code, line);
    await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
    assert.equal((await client.reply()).code, 250);
    assert.ok(!scene.commands.some((line) => line.startsWith('AUTH')), 'what came is nobody else’s business');
    assert.ok(!asking.relay.output.includes(PLAIN) && !asking.relay.output.includes('secret'));
  });
}

test('asks LOGIN clients with the prompts they match on', LIMIT, async () => {
  using client = await asking.client();
  await accepted(client, 'EHLO device');
  assert.equal((await client.command('AUTH LOGIN')).raw, '334 VXNlcm5hbWU6');
  assert.equal((await client.command(USER)).raw, '334 UGFzc3dvcmQ6');
});

test('refuses a second AUTH and one inside a transaction with 503', LIMIT, async () => {
  using client = await asking.client();
  await accepted(client, 'EHLO device', 'MAIL FROM:<a@x.test>');
  assert.equal((await client.command(`AUTH PLAIN ${PLAIN}`)).code, 503);
  await accepted(client, 'RSET', `AUTH PLAIN ${PLAIN}`);
  assert.equal((await client.command(`AUTH PLAIN ${PLAIN}`)).code, 503);
});

test('serves without AUTH where AUTH is merely accepted', LIMIT, async () => {
  await asking.delivers();
});

test('bounds an AUTH line at what RFC 4954 allows', LIMIT, async () => {
  using client = await asking.client();
  await accepted(client, 'EHLO device');
  const reply = await client.command(`AUTH PLAIN ${'A'.repeat(20_000)}`);
  assert.ok([421, 500, 501].includes(reply.code), reply.raw);
  await asking.delivers();
});

function pipelined(number: number): string {
  return `MAIL FROM:<a${number}@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nSubject: ${number}\r\n\r\nHello\r\n.\r\n`;
}

function wholeSession(subject: string): string {
  return `HELO a\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nSubject: ${subject}\r\n\r\nHello\r\n.\r\nQUIT\r\n`;
}

async function codes(client: SmtpDialog, count: number): Promise<readonly number[]> {
  const found: number[] = [];
  while (found.length < count) found.push((await client.reply()).code);
  return found;
}
