/**
 * Clients that log in at the relay with a name and a password of its own file.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { createTransport } from 'nodemailer';

import { formatHash, hashPassword } from '../../src/listener/password-hash.ts';
import { TestAuthority } from '../support/pki.ts';
import { runSealpost } from '../support/relay-process.ts';
import { RelayTestBed, accepted } from '../support/relay-test-bed.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const CANARY = 'canary-4c7f';
const directory = new TestAuthority();
after(() => directory.remove());

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (user: string, password: string): string => `AUTH PLAIN ${base64(`\0${user}\0${password}`)}`;

async function startWith(users: string, variables = {}): Promise<RelayTestBed> {
  const file = join(directory.directory, 'users');
  writeFileSync(file, users);
  return RelayTestBed.start({
    variables: {
      SEALPOST_CLIENT_AUTH: 'users',
      SEALPOST_CLIENT_USERS_FILE: file,
      SEALPOST_LOG_LEVEL: 'debug',
      ...variables,
    },
  });
}

describe('with SEALPOST_CLIENT_AUTH=users', LIMIT, () => {
  let bed: RelayTestBed;
  before(async () => {
    const hash = formatHash(await hashPassword(CANARY));
    bed = await startWith(`# office\nscanner:${hash}\nold:{PLAIN}${CANARY}\n`);
  });
  after(async () => bed.stop());

  async function greeted(): Promise<SmtpDialog> {
    const client = await bed.client();
    await client.command('EHLO client.test');
    return client;
  }

  test('takes no mail before a login', async () => {
    using client = await greeted();
    const reply = await client.command('MAIL FROM:<a@x.test>');
    assert.match(reply.raw, /^530 5\.7\.0 /);
    assert.equal((await client.command('RCPT TO:<b@y.test>')).code, 503);
  });

  test('offers CRAM-MD5 where a secret is known, and AUTH no more after a login', async () => {
    using client = await bed.client();
    const before_ = await client.command('EHLO client.test');
    assert.ok(before_.lines.includes('AUTH PLAIN LOGIN CRAM-MD5'), before_.raw);
    await accepted(client, plain('scanner', CANARY));
    assert.doesNotMatch((await client.command('EHLO client.test')).raw, /AUTH/);
    assert.equal((await client.command(plain('scanner', CANARY))).code, 503);
  });

  test('delivers for a user, and says so in the trace header', async () => {
    const scene = bed.begin();
    using client = await greeted();
    await accepted(client, plain('scanner', CANARY), 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    assert.equal((await client.command('Subject: x\r\n\r\ny\r\n.')).code, 250);
    assert.match(scene.messages[0]?.content.toString() ?? '', /with ESMTPA id/);
    assert.ok(!scene.commands.some((line) => line.startsWith('AUTH')));
    assert.equal((await bed.relay.event('login.accepted'))['user'], 'scanner');
  });

  test('lets a client log in by LOGIN in any case, and by CRAM-MD5', async () => {
    using client = await greeted();
    assert.equal((await client.command('auth login')).raw, `334 ${base64('Username:')}`);
    assert.equal((await client.command(base64('scanner'))).raw, `334 ${base64('Password:')}`);
    assert.equal((await client.command(base64(CANARY))).code, 235);
    using other = await greeted();
    const challenge = Buffer.from((await other.command('AUTH CRAM-MD5')).lines[0] ?? '', 'base64').toString();
    const digest = createHmac('md5', CANARY).update(challenge).digest('hex');
    assert.equal((await other.command(base64(`old ${digest}`))).code, 235);
  });

  test('lets a client give up and begin again, whatever its response looks like', async () => {
    using client = await greeted();
    await accepted(client, 'AUTH LOGIN');
    assert.equal((await client.command('*')).code, 501);
    await accepted(client, 'AUTH PLAIN');
    assert.equal((await client.command('RSET')).code, 501);
    await accepted(client, 'NOOP', plain('scanner', CANARY));
  });

  for (const authMethod of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
    test(`lets nodemailer log in by ${authMethod}`, async () => {
      const auth = { user: 'old', pass: CANARY };
      const end = { host: '127.0.0.1', port: bed.relay.port(), ignoreTLS: true };
      const mailer = createTransport({ ...end, auth, authMethod });
      bed.begin();
      const sent = await mailer.sendMail({ from: 'a@x.test', to: 'b@y.test', text: 'Hello' });
      assert.match(sent.response, /^250 /);
      mailer.close();
    });
  }

  test('takes a response as long as RFC 4954 allows', async () => {
    using client = await greeted();
    await accepted(client, 'AUTH PLAIN');
    const reply = await client.command(base64(`\0scanner\0${'p'.repeat(9_000)}`));
    assert.equal(reply.code, 535);
  });

  test('refuses a wrong password and an unknown name with the same words, and goes on', async () => {
    using client = await greeted();
    using stranger = await greeted();
    const replies = await Promise.all([
      client.command(plain('scanner', `${CANARY}x`)),
      stranger.command(plain('nobody', CANARY)),
    ]);
    assert.match(replies[0].raw, /^535 5\.7\.8 /);
    assert.equal(replies[0].raw, replies[1].raw);
    await accepted(client, plain('scanner', CANARY));
  });

  test('ends a session after three failures, and serves others meanwhile', async () => {
    using client = await greeted();
    const wrong = plain('scanner', 'no');
    client.write(`${wrong}\r\n`.repeat(3));
    using other = await greeted();
    await accepted(other, plain('scanner', CANARY), 'MAIL FROM:<a@x.test>', 'RSET');
    const codes = [];
    for (let count = 0; count < 3; count += 1) codes.push((await client.reply()).code);
    assert.deepEqual(codes, [535, 535, 421]);
    await client.ended();
  });

  test('looks no more at a name that fails on and on, and serves the others', async () => {
    const guessers = await Promise.all(Array.from({ length: 10 }, greeted));
    await Promise.all(guessers.map(async (one) => one.command(plain('broken', 'no'))));
    for (const one of guessers) one.close();
    using again = await greeted();
    assert.match((await again.command(plain('broken', 'no'))).raw, /^454 4\.7\.0 /);
    using other = await greeted();
    await accepted(other, plain('scanner', CANARY));
  });

  test('tells no password in its log, whatever clients said', async () => {
    using client = await greeted();
    await client.command(plain(CANARY, CANARY));
    assert.ok(bed.relay.output.includes('login.refused'));
    assert.ok(!bed.relay.output.includes(CANARY));
    assert.ok(!bed.relay.output.includes(base64(`\0scanner\0${CANARY}`)));
    assert.ok(!bed.relay.output.includes('$scrypt$'));
  });
});

test('forgets a login of before STARTTLS', LIMIT, async () => {
  const identity = directory.issue();
  const { certFile, keyFile } = directory.files(identity);
  await using bed = await startWith(`old:{PLAIN}${CANARY}\n`, {
    SEALPOST_LISTEN_STARTTLS: 'on',
    SEALPOST_LISTEN_CERT_FILE: certFile,
    SEALPOST_LISTEN_KEY_FILE: keyFile,
  });
  using clear = await bed.client();
  await accepted(clear, 'EHLO client.test', plain('old', CANARY), 'STARTTLS');
  clear.socket.removeAllListeners('data');
  const socket = connect({ socket: clear.socket, servername: 'localhost', ca: directory.caPem });
  await once(socket, 'secureConnect');
  using client = SmtpDialog.over(socket);
  assert.match((await client.command('EHLO client.test')).raw, /AUTH PLAIN LOGIN CRAM-MD5/);
  assert.equal((await client.command('MAIL FROM:<a@x.test>')).code, 530);
  await accepted(client, plain('old', CANARY), 'MAIL FROM:<a@x.test>');
});

test('offers no CRAM-MD5 where no secret is known', LIMIT, async () => {
  await using bed = await startWith(`a:${formatHash(await hashPassword('x'))}\n`);
  using client = await bed.client();
  assert.ok((await client.command('EHLO client.test')).lines.includes('AUTH PLAIN LOGIN'));
  assert.equal((await client.command('AUTH CRAM-MD5')).code, 504);
});

test('makes the line of a user from a password on standard input', LIMIT, async () => {
  const { spawnSync } = await import('node:child_process');
  const run = spawnSync(process.execPath, ['src/cli.ts', 'hash-password', 'jane'], {
    input: `${CANARY}\nrest\n`,
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /^jane:\$scrypt\$[^\n]+\n$/);
  await using bed = await startWith(run.stdout);
  using client = await bed.client();
  await accepted(client, 'EHLO client.test', plain('jane', CANARY));
});

for (const name of ['', 'a:b', '--name']) {
  test(`makes no line for the name "${name}"`, LIMIT, async () => {
    const run = runSealpost(['hash-password', name]);
    await new Promise((resolve) => run.child.once('close', resolve));
    assert.equal(run.child.exitCode, 64);
  });
}
