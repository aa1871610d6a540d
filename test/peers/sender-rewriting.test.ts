/**
 * From rewriting on what programs nobody here wrote send: all but the address arrives octet for octet.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { CLIENTS, type Client, type Errand } from '../support/peers/clients.ts';
import { RelayTestBed } from '../support/relay-test-bed.ts';

const LIMIT = { timeout: 60_000 };
const SENDER = 'relay@verified.test';
const BODY = 'Grüße vom Gerät\n.\n..two dots\nFrom: a@x.test\n\nlast line\n';
const MESSAGE =
  'X-First: a@x.test\nFROM:\n\t"Gerät, EG" <a@x.test>\nTo: b@y.test\nSubject: a report\n' +
  'Date: Sun, 22 Nov 2026 09:30:00 +0000\nMessage-ID: <report@x.test>\nMIME-Version: 1.0\n' +
  `Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n${BODY}`;

const directory = mkdtempSync(join(tmpdir(), 'sealpost-senders-'));
let bed: RelayTestBed;
let tap: Tap;

/** Stands before the relay and keeps what clients write. */
interface Tap {
  readonly server: Server;
  readonly port: number;
  /** Of the last connection. */
  written: Buffer;
}

before(async () => {
  writeFileSync(join(directory, 'crlf.eml'), MESSAGE.replaceAll('\n', '\r\n'));
  writeFileSync(join(directory, 'lf.eml'), MESSAGE);
  writeFileSync(join(directory, 'body.txt'), BODY);
  bed = await RelayTestBed.start({
    variables: { SEALPOST_SENDER: SENDER, SEALPOST_SENDER_REWRITE: 'always' },
  });
  tap = await startTap(bed.relay.port());
});

after(async () => {
  tap.server.close();
  await bed.stop();
  rmSync(directory, { recursive: true });
});

// Bare line feeds do not arrive octet for octet, by design.
for (const client of CLIENTS.filter(({ name }) => !name.includes('bare LF'))) {
  test(`keeps all but the address in what ${client.name} sends`, LIMIT, async () => {
    const scene = bed.begin();
    await run(client, tap.port);
    await bed.received(scene, 1);
    const sent = contentOf(tap.written);
    const expected = withSender(sent);
    assert.notEqual(expected, sent, 'its From has the address');
    const arrived = scene.messages[0]?.content.toString('latin1') ?? '';
    assert.equal(arrived.slice(-expected.length), expected);
    assert.match(arrived, /^Received: /);
    assert.ok(scene.commands.some((line) => line.startsWith(`MAIL FROM:<${SENDER}>`)));
  });
}

/** Told apart by hand, not by the code under test. */
function withSender(message: string): string {
  const end = message.indexOf('\r\n\r\n');
  const header = message
    .slice(0, end)
    .replace(/^From:[^]*?a@x\.test/im, (field) => field.replace('a@x.test', SENDER));
  return header + message.slice(end);
}

/** What stood between DATA and the final dot, dots un-stuffed, in Latin-1. */
function contentOf(written: Buffer): string {
  const content = /\r\nDATA\r\n([^]*?\r\n)\.\r\n/i.exec(written.toString('latin1'))?.[1];
  assert.ok(content !== undefined, written.toString('latin1'));
  return content.replaceAll('\r\n.', '\r\n');
}

async function startTap(relayPort: number): Promise<Tap> {
  const server = createServer((client) => {
    const relay = connect(relayPort, '127.0.0.1');
    const pieces: Buffer[] = [];
    client.on('data', (piece: Buffer) => {
      pieces.push(piece);
      taken.written = Buffer.concat(pieces);
    });
    client.pipe(relay).pipe(client);
    for (const socket of [client, relay]) socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const taken: Tap = { server, port: address.port, written: Buffer.alloc(0) };
  return taken;
}

async function run(client: Client, port: number): Promise<void> {
  const errand: Errand = {
    port,
    crlfFile: join(directory, 'crlf.eml'),
    lfFile: join(directory, 'lf.eml'),
    bodyFile: join(directory, 'body.txt'),
  };
  const [program, ...args] = client.command(errand);
  assert.ok(program !== undefined);
  const env = { PATH: process.env['PATH'], HOME: directory, LC_ALL: 'C.UTF-8' };
  const options = { cwd: new URL('../../', import.meta.url), env, timeout: 50_000 };
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const child = execFile(program, args, options, (error, stdout, stderr) =>
    resolve(error === null ? undefined : `${error.message}\n${stdout}${stderr}`),
  );
  if (child.stdin !== null) {
    child.stdin.on('error', () => undefined); // a program may end without reading all; its exit code judges
    const file = client.input?.(errand);
    if (file === undefined) child.stdin.end();
    else createReadStream(file).pipe(child.stdin);
  }
  assert.equal(await promise, undefined);
}
