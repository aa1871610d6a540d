/**
 * `sealpost sandbox` as a developer runs it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, mock, test } from 'node:test';

import { createTransport } from 'nodemailer';

import { sandbox } from '../../src/commands/sandbox.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-sandbox-command-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const ports = ['--listen-tls', '127.0.0.1:0', '--listen-starttls', '127.0.0.1:0'];
const stateOption = ['--state-dir', join(directory, 'state')];

/** Output that can be waited for. */
class Output extends PassThrough {
  text = '';

  constructor() {
    super({ encoding: 'utf8' });
    this.on('data', (chunk: string) => (this.text += chunk));
  }

  async matching(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found !== null) return found;
      await once(this, 'data');
    }
  }
}

test('prints the variables a relay needs, keeps mail in the Maildir and ends at SIGTERM with 0', async () => {
  const out = new Output();
  const maildir = join(directory, 'mail');
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, 'secret\n');
  const credentials = ['--user', 'dev', '--password-file', passwordFile];
  const ended = sandbox(
    [...ports, ...stateOption, ...credentials, '--maildir', maildir],
    { stateDirectory: directory },
    out,
  );
  const [, port] = await out.matching(/^SEALPOST_UPSTREAM=smtps:\/\/localhost:(\d+)$/m);
  const [, startTlsPort] = await out.matching(/^# SEALPOST_UPSTREAM=smtp:\/\/localhost:(\d+)$/m);
  const [, caFile] = await out.matching(/^SEALPOST_TLS_CA_FILE=(.+)$/m);
  for (const [secure, where] of [
    [true, port],
    [false, startTlsPort],
  ] as const) {
    const transport = createTransport({
      host: 'localhost',
      port: Number(where),
      secure,
      requireTLS: true,
      tls: { ca: readFileSync(String(caFile)) },
      auth: { user: 'dev', pass: 'secret' },
    });
    const raw = `Subject: ${String(secure)}\r\n\r\nbody\r\n`;
    await transport.sendMail({ envelope: { from: 'a@x.test', to: 'b@y.test' }, raw });
    transport.close();
    const [, file] = await out.matching(/^received over TLSv1\.3: <a@x\.test> to <b@y\.test>, (.+)\n$/m);
    assert.equal(readFileSync(String(file), 'utf8'), raw);
    out.text = '';
  }
  assert.equal(readdirSync(join(maildir, 'new')).length, 2);
  process.emit('SIGTERM');
  assert.equal(await ended, 0);
});

test('says in one line that a port is taken', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  assert.ok(typeof address === 'object' && address !== null);
  const at = `127.0.0.1:${address.port}`;
  const { code, problems } = await fails([
    '--listen-tls',
    at,
    '--listen-starttls',
    '127.0.0.1:0',
    ...stateOption,
  ]);
  assert.equal(code, 1);
  assert.match(problems, new RegExp(`^sealpost sandbox: listen EADDRINUSE[^\n]*${at}\n$`));
  taken.close();
});

for (const [what, ...args] of [
  ['an address beyond loopback', '--listen-tls', '0.0.0.0:4465'],
  ['no port', '--listen-starttls', '127.0.0.1'],
  ['a port that is none', '--listen-tls', '127.0.0.1:70000'],
  ['a user without a password', '--user', 'dev'],
  ['an unknown option', '--verbose'],
] as const) {
  test(`explains its use when given ${what}`, async () => {
    const { code, problems } = await fails([...args, ...stateOption]);
    assert.equal(code, 64);
    assert.match(problems, /^sealpost sandbox: .+\n\nUsage: /);
  });
}

async function fails(args: readonly string[]): Promise<{ code: number; problems: string }> {
  let problems = '';
  const stderr = mock.method(process.stderr, 'write', (text: string) => (problems += text) !== '');
  try {
    return { code: await sandbox(args, { stateDirectory: '' }, new Output()), problems };
  } finally {
    stderr.mock.restore();
  }
}
