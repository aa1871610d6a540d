/**
 * Real clients in front of the relay, a real server behind it: what arrives in the mailbox is what each was given.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { CLIENTS, CLIENTS_WITH_CREDENTIALS, type Client, type Errand } from '../support/peers/clients.ts';
import { assertUnchanged, framed } from '../support/peers/messages.ts';
import type { Peer } from '../support/peers/peer.ts';
import { startPostfix } from '../support/peers/postfix.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay, type RelayProcess } from '../support/relay-process.ts';

const BODY = 'Grüße vom Gerät\n.\n..two dots\n\n.a leading dot\nlast line\n';
const HEADER =
  'From: a@x.test\nTo: b@y.test\nSubject: a report\nDate: Sun, 22 Nov 2026 09:30:00 +0000\n' +
  'Message-ID: <report@x.test>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n' +
  'Content-Transfer-Encoding: 8bit\n';
const MESSAGE = `${HEADER}\n${BODY}`;

/** A message that never arrives is a failure, not a wait without end. */
const LIMIT = { timeout: 60_000 };

const authority = new TestAuthority();
const directory = mkdtempSync(join(tmpdir(), 'sealpost-clients-'));
let postfix: Peer;

before(async () => {
  writeFileSync(join(directory, 'crlf.eml'), withCrlf(MESSAGE));
  writeFileSync(join(directory, 'lf.eml'), MESSAGE);
  writeFileSync(join(directory, 'body.txt'), BODY);
  postfix = await startPostfix(authority.issue());
});

after(async () => {
  await postfix[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
  authority.remove();
});

describe('without credentials', () => {
  let relay: RelayProcess;
  before(async () => (relay = await startRelay(variables())));
  after(async () => relay.stop());

  for (const client of CLIENTS) {
    test(`delivers what ${client.name} sends`, LIMIT, async () => assertDelivers(client, relay.port()));
  }

  test('delivers what netcat sends in one piece before the greeting', LIMIT, async () => {
    const dialog = 'HELO device\r\nmail from:a@x.test\r\nrcpt to:b@y.test\r\ndata\r\n';
    const file = join(directory, 'dialog');
    writeFileSync(
      file,
      Buffer.concat([Buffer.from(dialog), framed(withCrlf(MESSAGE)), Buffer.from('quit\r\n')]),
    );
    await run(['nc', '-q', '-1', '127.0.0.1', String(relay.port())], file);
    assertMessage(await postfix.maildir.takeOnly(), { keeps: 'message' });
  });

  test('delivers 1,000 messages that smtp-source sends in ten sessions', LIMIT, async () => {
    const load = ['-m', '1000', '-s', '10', '-l', '2000', '-f', 'a@x.test', '-t', 'b@y.test'];
    await run(['smtp-source', ...load, `127.0.0.1:${relay.port()}`]);
    const messages = await postfix.maildir.take(1000);
    assert.equal(messages.length, 1000);
    const ids = messages.map((message) => /^Message-Id: (.*)$/im.exec(message.toString())?.[1]);
    assert.equal(new Set(ids).size, 1000);
    for (const message of messages) {
      const [, body = ''] = message.toString().split('\n\n');
      assert.match(body, /^(?:[\dX]X{77,79}\n){25}$/);
    }
  });
});

describe('with SEALPOST_CLIENT_AUTH=any', () => {
  let relay: RelayProcess;
  before(async () => (relay = await startRelay({ ...variables(), SEALPOST_CLIENT_AUTH: 'any' })));
  after(async () => {
    assert.ok(!relay.output.includes('any password'), 'a client’s password is in the log');
    await relay.stop();
  });

  for (const client of CLIENTS_WITH_CREDENTIALS) {
    test(`accepts the credentials and delivers what ${client.name} sends`, LIMIT, async () =>
      assertDelivers(client, relay.port()),
    );
  }
});

function variables(): Record<string, string> {
  const { user, password, submissionsPort } = postfix;
  return {
    SEALPOST_UPSTREAM: `smtps://localhost:${submissionsPort}`,
    SEALPOST_UPSTREAM_USER: user,
    SEALPOST_UPSTREAM_PASSWORD: password,
    SEALPOST_TLS_CA_FILE: authority.caFile,
  };
}

async function assertDelivers(client: Client, port: number): Promise<void> {
  const errand: Errand = {
    port,
    crlfFile: join(directory, 'crlf.eml'),
    lfFile: join(directory, 'lf.eml'),
    bodyFile: join(directory, 'body.txt'),
  };
  await run(client.command(errand), client.input?.(errand));
  assertMessage(await postfix.maildir.takeOnly(), client);
}

function assertMessage(arrived: Buffer, { keeps, appends = '' }: Pick<Client, 'keeps' | 'appends'>): void {
  const text = arrived.toString();
  assert.match(text, /^Return-Path: <a@x\.test>\n/);
  assert.match(text, /^Delivered-To: b@y\.test$/m);
  if (keeps === 'message') assertUnchanged(arrived, withCrlf(MESSAGE + appends));
  else assert.equal(text.slice(text.indexOf('\n\n') + 2), BODY + appends);
}

function withCrlf(text: string): Buffer {
  return Buffer.from(text.replaceAll('\n', '\r\n'));
}

/** Runs a program to its end; fails with what it printed unless it ends with 0. */
async function run([program, ...args]: readonly string[], inputFile?: string): Promise<void> {
  assert.ok(program !== undefined);
  const env = { PATH: process.env['PATH'], HOME: directory, LC_ALL: 'C.UTF-8' };
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  // The checkout is the working directory: nodemailer is found from there.
  const options = { cwd: new URL('../../', import.meta.url), env, timeout: 60_000 };
  const child = execFile(program, args, options, (error, stdout, stderr) =>
    resolve(error === null ? undefined : `${error.message}\n${stdout}${stderr}`),
  );
  if (child.stdin !== null) {
    child.stdin.on('error', () => undefined); // a program may end without reading all; its exit code judges
    if (inputFile === undefined) child.stdin.end();
    else createReadStream(inputFile).pipe(child.stdin);
  }
  assert.equal(await promise, undefined);
}
