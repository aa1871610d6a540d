/**
 * Limits that keep one client from hurting the others.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';

import { RelayTestBed, accepted } from '../support/relay-test-bed.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 60_000 };
const beds: RelayTestBed[] = [];
after(async () => {
  for (const bed of beds) await bed.stop();
});

async function bedWith(variables: Readonly<Record<string, string>>): Promise<RelayTestBed> {
  const bed = await RelayTestBed.start({ variables });
  beds.push(bed);
  return bed;
}

test(
  'turns clients away beyond SEALPOST_CLIENT_MAX, and takes the next when one has left',
  LIMIT,
  async () => {
    const bed = await bedWith({ SEALPOST_CLIENT_MAX: '2' });
    using first = await bed.client();
    using second = await bed.client();
    using third = await SmtpDialog.openSilently(bed.relay.port());
    assert.match((await third.reply()).raw, /^421 4\.3\.2 /);
    await third.ended();
    assert.equal((await second.command('QUIT')).code, 221);
    await second.ended();
    await accepted(first, 'EHLO still.here');
    let code = 421;
    while (code !== 220) {
      using next = await SmtpDialog.openSilently(bed.relay.port());
      code = (await next.reply()).code;
    }
    assert.equal(bed.relay.log.filter(({ event }) => event === 'limit.reached').length, 1);
  },
);

test('turns one address away beyond SEALPOST_CLIENT_MAX_PER_ADDRESS', LIMIT, async () => {
  const bed = await bedWith({ SEALPOST_CLIENT_MAX_PER_ADDRESS: '1' });
  using _first = await bed.client();
  using second = await SmtpDialog.openSilently(bed.relay.port());
  assert.match((await second.reply()).raw, /^421 4\.3\.2 This address/);
});

test('counts messages and recipients in a minute, and says how long to wait', LIMIT, async () => {
  const bed = await bedWith({
    SEALPOST_CLIENT_MESSAGES_PER_MINUTE: '2',
    SEALPOST_CLIENT_RECIPIENTS_PER_MINUTE: '3',
  });
  using client = await bed.client();
  await accepted(client, 'EHLO x', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'RCPT TO:<c@y.test>');
  await accepted(client, 'RCPT TO:<d@y.test>');
  assert.match(
    (await client.command('RCPT TO:<e@y.test>')).raw,
    /^451 4\.7\.1 .* 3 recipients .* in \d+ s\.$/,
  );
  await accepted(client, 'RSET', 'MAIL FROM:<a@x.test>', 'RSET');
  using other = await bed.client();
  await accepted(other, 'EHLO x');
  assert.match(
    (await other.command('MAIL FROM:<a@x.test>')).raw,
    /^451 4\.7\.1 .* 2 messages .* in \d+ s\.$/,
  );
});

test(
  'cuts a transaction that takes longer than SEALPOST_CLIENT_TRANSACTION_TIMEOUT, and ends nothing upstream',
  LIMIT,
  async () => {
    const bed = await bedWith({ SEALPOST_CLIENT_TRANSACTION_TIMEOUT: '0.01' });
    const scene = bed.begin();
    using client = await bed.client();
    await accepted(client, 'EHLO x', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    client.write('Subject: slow\r\n\r\nfirst line\r\n');
    assert.match((await client.reply()).raw, /^421 4\.4\.2 .*SEALPOST_CLIENT_TRANSACTION_TIMEOUT/);
    await client.ended();
    await bed.relay.event('session.cut', (line) => line['reason'] === 'long-transaction');
    await bed.relay.event('transaction.abandoned');
    assert.deepEqual(scene.messages, []);
  },
);

test('keeps a flight of recipients together where they are counted', LIMIT, async () => {
  const bed = await bedWith({ SEALPOST_CLIENT_RECIPIENTS_PER_MINUTE: '1000' });
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO x', 'MAIL FROM:<a@x.test>');
  const names = Array.from({ length: 50 }, (_, at) => `r${at}@y.test`);
  client.write(names.map((name) => `RCPT TO:<${name}>\r\n`).join(''));
  for (const _ of names) assert.equal((await client.reply()).code, 250);
  const asked = scene.commands.filter((line) => line.startsWith('RCPT'));
  assert.deepEqual(
    asked,
    names.map((name) => `RCPT TO:<${name}>`),
  );
});

/** Comes as often as it takes to be let in. */
async function letIn(bed: RelayTestBed): Promise<SmtpDialog> {
  for (;;) {
    const client = await SmtpDialog.openSilently(bed.relay.port());
    if ((await client.reply()).code === 220) return client;
    client.close();
  }
}

for (const variable of ['SEALPOST_CLIENT_MAX', 'SEALPOST_CLIENT_MAX_PER_ADDRESS'])
  test(`takes the next client when one that said STARTTLS has left (${variable})`, LIMIT, async () => {
    const bed = await bedWith({ [variable]: '1', SEALPOST_LISTEN_STARTTLS: 'on' });
    {
      using plain = await bed.client();
      await accepted(plain, 'EHLO x', 'STARTTLS');
      const secure = connectTls({ socket: plain.socket, rejectUnauthorized: false });
      await once(secure, 'secureConnect');
    }
    {
      using stalled = await letIn(bed);
      await accepted(stalled, 'EHLO x', 'STARTTLS');
    }
    using _next = await letIn(bed);
  });

test('counts a client from before its TLS handshake on', LIMIT, async () => {
  const bed = await bedWith({ SEALPOST_CLIENT_MAX_PER_ADDRESS: '1', SEALPOST_LISTEN_TLS: '127.0.0.1:0' });
  const { port } = await bed.relay.event('listener.started', (line) => line['tls'] === true);
  using _silent = await SmtpDialog.openSilently(Number(port));
  using second = await SmtpDialog.openSilently(Number(port));
  assert.match((await second.reply()).raw, /^421 4\.3\.2 This address/);
});

test('cuts a client that floods it with commands and reads no reply', LIMIT, async () => {
  const bed = await bedWith({ SEALPOST_LOG_LEVEL: 'debug' });
  const socket = connectPlain({ host: '127.0.0.1', port: bed.relay.port() });
  await once(socket, 'connect');
  socket.on('error', () => undefined).pause();
  socket.write('NOOP\r\n'.repeat(1_000_000));
  const { sid } = await bed.relay.event('session.cut', (line) => line['reason'] === 'idle-commands');
  await bed.relay.event('session.closed', (line) => line['sid'] === sid);
  assert.equal(bed.relay.log.filter(({ event }) => event === 'session.cut').length, 1);
  socket.destroy();
});
