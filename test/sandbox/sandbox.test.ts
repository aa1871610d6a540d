/**
 * The sandbox as an upstream: a client nobody here wrote delivers to it over both ports, and nothing goes in clear.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';

import { createTransport } from 'nodemailer';

import { loadOrIssue, type LocalIdentity } from '../../src/certificates/local-authority.ts';
import { Maildir } from '../../src/sandbox/maildir.ts';
import { Sandbox, type Envelope, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { connectTls } from './tls-dialog.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-sandbox-'));
let identity: LocalIdentity;
before(async () => {
  identity = await loadOrIssue(directory);
});
after(() => rmSync(directory, { recursive: true, force: true }));

interface Arrival {
  readonly envelope: Envelope;
  readonly content: Buffer;
}

async function startSandbox(
  options: Partial<SandboxOptions> = {},
): Promise<{ readonly sandbox: Sandbox; readonly arrivals: Arrival[] }> {
  const arrivals: Arrival[] = [];
  const store: SandboxOptions['store'] = async (envelope, content) => {
    arrivals.push({ envelope, content: await buffer(content) });
  };
  return { sandbox: await Sandbox.start({ identity, store, ...options }), arrivals };
}

for (const [port, secure] of [
  ['implicitTls', true],
  ['startTls', false],
] as const) {
  for (const authMethod of ['PLAIN', 'LOGIN']) {
    test(`takes mail by ${port} with AUTH ${authMethod} from a client that verifies the certificate`, async () => {
      const started = await startSandbox({ credentials: { user: 'printer', password: 'pa ss' } });
      await using sandbox = started.sandbox;
      const transport = createTransport({
        host: 'localhost',
        port: sandbox[port].port,
        secure,
        requireTLS: !secure,
        tls: { ca: identity.ca },
        auth: { user: 'printer', pass: 'pa ss' },
        authMethod,
      });
      const raw = 'Subject: hello\r\n\r\n.dots\r\n..two\r\n.\r\nend\r\n';
      await transport.sendMail({ envelope: { from: 'a@x.test', to: ['b@y.test', 'c@y.test'] }, raw });
      transport.close();
      const [arrival] = started.arrivals;
      assert.equal(arrival?.content.toString(), raw);
      const { reversePath, forwardPaths, user, protocol } = arrival.envelope;
      assert.deepEqual([reversePath, ...forwardPaths], ['a@x.test', 'b@y.test', 'c@y.test']);
      assert.equal(user, 'printer');
      assert.equal(protocol, 'TLSv1.3');
    });
  }
}

test('keeps octets as they came: bare line endings, NUL, 8-bit, dots after a bare line feed', async () => {
  const started = await startSandbox();
  await using sandbox = started.sandbox;
  using dialog = await connectTls(sandbox.implicitTls.port, identity.ca);
  const content = Buffer.from('S: x\r\n\r\na\nb\rc\0\xe9\n..\n.\n\r.\r', 'latin1');
  const reply = await dialog.send(content);
  assert.equal(reply.code, 250);
  assert.deepEqual(started.arrivals[0]?.content, Buffer.concat([content, Buffer.from('\r\n')]));
});

test('refuses mail and credentials in clear text, and offers neither', async () => {
  const started = await startSandbox();
  await using sandbox = started.sandbox;
  using dialog = await SmtpDialog.open(sandbox.startTls.port);
  const ehlo = await dialog.command('EHLO client.test');
  assert.ok(ehlo.lines.includes('STARTTLS'));
  assert.ok(!ehlo.lines.some((line) => line.startsWith('AUTH')));
  assert.equal(
    (await dialog.command('MAIL FROM:<a@x.test>')).raw,
    '530 5.7.0 Must issue a STARTTLS command first',
  );
  assert.ok((await dialog.command('AUTH PLAIN AGEAYg==')).code >= 500);
  assert.equal(started.arrivals.length, 0);
});

test('refuses a wrong password, and mail without any', async () => {
  const started = await startSandbox({ credentials: { user: 'u', password: 'right' } });
  await using sandbox = started.sandbox;
  using dialog = await connectTls(sandbox.implicitTls.port, identity.ca);
  await dialog.command('EHLO client.test');
  assert.equal((await dialog.command('MAIL FROM:<a@x.test>')).code, 530);
  const wrong = Buffer.from('\0u\0wrong').toString('base64');
  assert.equal((await dialog.command(`AUTH PLAIN ${wrong}`)).code, 535);
});

test('takes any credentials when none are demanded', async () => {
  const started = await startSandbox();
  await using sandbox = started.sandbox;
  using dialog = await connectTls(sandbox.implicitTls.port, identity.ca);
  await dialog.command('EHLO client.test');
  assert.equal(
    (await dialog.command('AUTH PLAIN AGFueQB0aGluZw==')).raw,
    '235 2.7.0 Authentication successful',
  );
  assert.equal((await dialog.send('S: x\r\n\r\nx')).code, 250);
  assert.equal(started.arrivals[0]?.envelope.user, 'any');
});

test('acknowledges nothing that its store does not have', async () => {
  const started = await startSandbox({
    store: async (envelope) => Promise.reject(new Error(`no space for ${envelope.id}`)),
  });
  await using sandbox = started.sandbox;
  using dialog = await connectTls(sandbox.implicitTls.port, identity.ca);
  assert.equal((await dialog.send('S: x\r\n\r\nx')).raw, '451 4.3.0 The message could not be stored');
  assert.equal((await dialog.command('NOOP')).code, 250);
});

test('refuses a message above its size limit and stores none of it', async () => {
  const maildir = join(directory, 'small');
  const box = await Maildir.open(maildir);
  const started = await startSandbox({
    maxOctets: 1_000,
    store: async (_envelope, content) => {
      await box.deliver(content);
    },
  });
  await using sandbox = started.sandbox;
  using dialog = await connectTls(sandbox.implicitTls.port, identity.ca);
  const reply = await dialog.send('x'.repeat(900) + '\r\n' + 'y'.repeat(200_000));
  assert.match(reply.raw, /^552 /);
  assert.deepEqual([readdirSync(join(maildir, 'tmp')), readdirSync(join(maildir, 'new'))], [[], []]);
});

test('leaves nothing of a message whose sender vanished', async () => {
  const maildir = join(directory, 'broken');
  const box = await Maildir.open(maildir);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const started = await startSandbox({
    store: async (_envelope, content) => {
      await box.deliver(content).catch(resolve);
    },
  });
  await using sandbox = started.sandbox;
  const dialog = await connectTls(sandbox.implicitTls.port, identity.ca);
  for (const line of ['EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA']) {
    await dialog.command(line);
  }
  dialog.write('Subject: half\r\n\r\nhalf of it');
  dialog.close();
  assert.ok((await promise) instanceof Error);
  assert.deepEqual([readdirSync(join(maildir, 'tmp')), readdirSync(join(maildir, 'new'))], [[], []]);
  await sandbox.close();
});

test('puts each message into a Maildir file of its own, private to the owner', async () => {
  const maildir = join(directory, 'mail');
  const box = await Maildir.open(maildir);
  const started = await startSandbox({
    store: async (_envelope, content) => {
      await box.deliver(content);
    },
  });
  await using sandbox = started.sandbox;
  using dialog = await connectTls(sandbox.implicitTls.port, identity.ca);
  await dialog.send('Subject: one\r\n\r\n');
  await dialog.send('Subject: two\r\n\r\n');
  const files = readdirSync(join(maildir, 'new')).map((name) => join(maildir, 'new', name));
  assert.equal(files.length, 2);
  const contents = files.map((file) => readFileSync(file, 'utf8')).toSorted();
  assert.deepEqual(contents, ['Subject: one\r\n\r\n\r\n', 'Subject: two\r\n\r\n\r\n']);
  for (const file of files) assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(maildir, 'tmp')), []);
});
