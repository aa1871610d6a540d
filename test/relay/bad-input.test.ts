/**
 * Malformed and hostile commands from clients: each is answered as the design says, and the process serves on.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';

import { RelayTestBed, accepted, mailCommands } from '../support/relay-test-bed.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const bed = await RelayTestBed.start();
after(async () => bed.stop());

const MALFORMED: readonly (readonly [line: string | Buffer, codes: readonly number[]])[] = [
  ['MAIL', [501]],
  ['MAIL FROM', [501]],
  ['MAIL FROM:', [501]],
  ['MAIL FROM:<a@x.test', [501]],
  ['MAIL FROM:a@x.test>', [501]],
  ['MAIL FROM:<a@x.test>>', [501]],
  ['MAIL FROM:<a b@x.test>', [501]],
  ['MAIL FROM:<"a@x.test>', [501]],
  ['MAIL TO:<a@x.test>', [501]],
  ['MAILFROM:<a@x.test>', [500, 501, 502]],
  ['MAIL FROM:<a@x.test>SIZE=10', [501]],
  ['MAIL FROM:<a@x.test> SIZE=ten', [501]],
  ['MAIL FROM:<a@x.test> SIZE=-1', [501]],
  ['MAIL FROM:<a@x.test> SIZE', [501]],
  ['MAIL FROM:<a@x.test> BODY=9BIT', [501, 555]],
  ['MAIL FROM:<a@x.test> =x', [501]],
  ['MAIL FROM:<a@x.test> SIZE=1 SIZE=2', [501]],
  ['MAIL FROM:<a@x.test> ENVID=a+0D+0ARCPT', [501]],
  ['MAIL FROM:<a@x.test> ENVID=a+0A', [501]],
  ['MAIL FROM:<a@x.test> ENVID=a+00', [501]],
  ['MAIL FROM:<a\rb@x.test>', [500, 501]],
  ['MAIL FROM:<a\0b@x.test>', [500, 501]],
  ['MAIL FROM:<a@x.test>\rRCPT TO:<evil@y.test>', [500, 501]],
  ['MAIL FROM:<a@x.test>\0', [500, 501]],
  ['MAIL FROM:<"a\rb"@x.test>', [500, 501]],
  ['MAIL FROM:<a\x1b[31m@x.test>', [501]],
  ['MAIL FROM:<a@x.test> ENVID=a\x07b', [501]],
  [Buffer.from('MAIL FROM:<ä@x.test>', 'utf8'), [501, 553]],
  [Buffer.from('MAIL FROM:<\xe4@x.test>', 'latin1'), [501, 553]],
  [Buffer.from('MAIL FROM:<\xe4@x.test> SMTPUTF8', 'latin1'), [501, 553]],
  [Buffer.from('MAIL FROM:<a@\xc0\xaf.test> SMTPUTF8', 'latin1'), [501, 553]],
  [`MAIL FROM:<${'a'.repeat(2000)}@x.test>`, [500, 501, 553]],
  [`MAIL FROM:<a@${'x'.repeat(2000)}.test>`, [500, 501, 553]],
  ['RCPT TO:<b@y.test>', [503]],
  ['DATA', [503]],
  ['BDAT 3 LAST', [500, 502, 503]],
  ['', [500]],
  ['   ', [500]],
  ['NONSENSE', [500, 502]],
  ['\x00\x01\x02\x03', [500]],
  [Buffer.from('\xff\xfe\xfd', 'latin1'), [500]],
  ['EHLO', [501]],
];

for (const [line, codes] of MALFORMED) {
  const shown = JSON.stringify(line.toString('latin1')).slice(0, 60);
  test(`refuses ${shown} with ${codes.join(' or ')}`, LIMIT, async () => {
    const scene = bed.begin();
    using client = await bed.client();
    await accepted(client, 'EHLO client.test');
    client.write(line);
    client.write('\r\n');
    const reply = await client.reply();
    assert.ok(codes.includes(reply.code), reply.raw);
    assert.match(
      reply.raw,
      /^5\d\d (?:5\.\d+\.\d+ )?[\x20-\x7e]+$/,
      'one printable line, codes of one class',
    );
    await accepted(client, 'NOOP', 'MAIL FROM:<fine@x.test>', 'RCPT TO:<b@y.test>');
    assert.deepEqual(mailCommands(scene), ['MAIL FROM:<fine@x.test>', 'RCPT TO:<b@y.test>']);
  });
}

const MALFORMED_RCPT = [
  'RCPT',
  'RCPT TO:',
  'RCPT TO:<>',
  'RCPT TO:<b@y.test',
  'RCPT FROM:<b@y.test>',
  'RCPT TO:<b@y.test> NOTIFY=NEVER NOTIFY=NEVER',
  'RCPT TO:<b@y.test> ORCPT=rfc822;a+0D+0ADATA',
  'RCPT TO:<b\0@y.test>',
  'RCPT TO:<b@y.test>\rDATA',
  `RCPT TO:<${'b'.repeat(2000)}@y.test>`,
];

for (const line of MALFORMED_RCPT) {
  test(`refuses ${JSON.stringify(line).slice(0, 60)} and keeps the transaction`, LIMIT, async () => {
    const scene = bed.begin();
    using client = await bed.client();
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
    const reply = await client.command(line);
    assert.ok([500, 501, 553].includes(reply.code), reply.raw);
    await accepted(client, 'RCPT TO:<c@y.test>', 'DATA');
    client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
    assert.equal((await client.reply()).code, 250);
    assert.deepEqual(scene.messages[0]?.rcpts, ['RCPT TO:<c@y.test>']);
  });
}

test('refuses an address beyond ASCII without SMTPUTF8 at RCPT', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
  assert.ok([501, 553].includes((await client.command('RCPT TO:<jürgen@y.test>')).code));
  await accepted(client, 'RCPT TO:<b@y.test>');
  assert.deepEqual(mailCommands(scene), ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>']);
});

test('refuses MAIL inside a transaction and keeps it', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
  assert.equal((await client.command('MAIL FROM:<nested@x.test>')).code, 503);
  await accepted(client, 'RCPT TO:<b@y.test>');
  assert.equal((await client.command('MAIL FROM:<nested@x.test>')).code, 503);
  await accepted(client, 'DATA');
  client.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await client.reply()).code, 250);
  assert.deepEqual(
    scene.messages.map((one) => one.mail),
    ['MAIL FROM:<a@x.test>'],
  );
});

test('refuses DATA between MAIL and RCPT with 503', LIMIT, async () => {
  bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>');
  assert.equal((await client.command('DATA')).code, 503);
  await accepted(client, 'RCPT TO:<b@y.test>', 'DATA');
});

for (const [name, octets] of [
  ['of one verb', Buffer.alloc(1_048_576, 'A')],
  ['of MAIL', Buffer.concat([Buffer.from('MAIL FROM:<'), Buffer.alloc(1_048_576, 'a')])],
  ['of NUL', Buffer.alloc(1_048_576)],
] as const) {
  test(`bounds a command line of 1 MiB ${name}`, LIMIT, async () => {
    const before = await bed.relay.residentOctets();
    using client = await bed.client();
    await accepted(client, 'EHLO client.test');
    client.write(octets);
    client.write('\r\n');
    const reply = await client.reply();
    assert.ok([421, 500, 501].includes(reply.code), reply.raw);
    assert.ok((await bed.relay.residentOctets()) - before < 50_000_000);
    await bed.delivers();
  });
}

test('cuts off a command line that never ends', LIMIT, async () => {
  using client = await bed.client();
  const endless = setInterval(() => client.write(Buffer.alloc(65_536, 'x')), 1);
  const [reply] = await Promise.all([client.reply(), client.ended().catch(() => undefined)]);
  clearInterval(endless);
  assert.ok([421, 500].includes(reply.code), reply.raw);
  await bed.delivers();
});

const FOREIGN: readonly (readonly [string, Buffer])[] = [
  ...['GET / HTTP/1.1', 'POST /x HTTP/1.1', 'PUT /x HTTP/1.1', 'DELETE / HTTP/1.1', 'HEAD / HTTP/1.0'].map(
    request,
  ),
  ...[
    'OPTIONS * HTTP/1.1',
    'PATCH /x HTTP/1.1',
    'TRACE / HTTP/1.1',
    'CONNECT a.test:443 HTTP/1.1',
    'get / http/1.1',
  ].map(request),
  ['PRI * HTTP/2.0', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  ['a TLS ClientHello', Buffer.from(`16030100c8010000c40303${'5a'.repeat(190)}`, 'hex')],
  ['PROXY version 1', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1111 25\r\nEHLO x\r\n')],
  ['PROXY version 2', Buffer.from(`0d0a0d0a000d0a515549540a2111000c${'7f000001'.repeat(3)}`, 'hex')],
];

for (const [name, octets] of FOREIGN) {
  test(`ends the connection at once when it begins with ${name}`, LIMIT, async () => {
    const before = bed.upstream.connections.length;
    const refused = refusedSessions();
    using client = await SmtpDialog.openSilently(bed.relay.port());
    client.write(octets);
    client.write('EHLO evil.test\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nevil\r\n.\r\n');
    const said = await client.ended();
    assert.doesNotMatch(said, /^(?:250|354)/m, 'nothing was carried out');
    await bed.relay.event('session.refused', () => refusedSessions() > refused);
    assert.equal(bed.upstream.connections.length, before);
    await bed.delivers();
  });
}

for (const [name, octets] of FOREIGN.filter((one) => !one[0].startsWith('a TLS'))) {
  test(`ends the connection also when ${name} comes in two pieces`, LIMIT, async () => {
    using other = await bed.client();
    using client = await bed.client();
    client.write(octets.subarray(0, 1));
    await accepted(other, 'NOOP', 'NOOP'); // by now the relay has read the first piece
    client.write(octets.subarray(1));
    client.write('NOOP\r\n');
    await assert.rejects(untilAccepted(client), /the connection ended/);
  });
}

test('ends a real TLS handshake on the plain port', LIMIT, async () => {
  const socket = connectTls({ port: bed.relay.port(), host: '127.0.0.1', servername: 'localhost' });
  await assert.rejects(once(socket, 'secureConnect'));
  socket.destroy();
  await bed.delivers();
});

test('ends the connection of a browser that posts commands as a body', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  client.write(
    'POST / HTTP/1.1\r\nHost: 127.0.0.1:2525\r\nContent-Type: text/plain\r\n\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<b@y.test>\r\n',
  );
  await client.ended();
  assert.deepEqual(mailCommands(scene), []);
});

test('ends a session of nothing but unknown commands', LIMIT, async () => {
  using client = await bed.client();
  client.write('NONSENSE\r\n'.repeat(1000));
  assert.match(await client.ended(), /^(?:50\d[^\n]*\n)+421 4\.\d\.\d [^\n]*\n$/);
  await bed.delivers();
});

function refusedSessions(): number {
  return bed.relay.log.filter((line) => line.event === 'session.refused').length;
}

async function untilAccepted(client: SmtpDialog): Promise<void> {
  while ((await client.reply()).code !== 250);
}

function request(line: string): readonly [string, Buffer] {
  return [line, Buffer.from(`${line}\r\nHost: localhost:2525\r\n\r\n`)];
}
