/**
 * The demo as a newcomer runs it: the real program, in a process of its own.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { demo } from '../../src/commands/demo.ts';
import { INHERITED } from '../support/inherited-environment.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), 'sealpost-demo-test-'));
after(() => rmSync(temporary, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly problems: string;
}

/** Runs `sealpost demo`; `onOutput` may act on what has been written so far. */
async function runDemo(
  args: readonly string[] = [],
  onOutput: (out: string, pid: number) => void = () => undefined,
): Promise<Run> {
  const child = spawn(process.execPath, [CLI, 'demo', ...args], {
    env: { ...INHERITED, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let problems = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (child.pid !== undefined) onOutput(out, child.pid);
  });
  child.stderr.on('data', (chunk: Buffer) => (problems += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, out, problems };
}

let full: Run;
before(async () => {
  full = await runDemo();
});

test('shows a delivery, three refusals and a login without a password, and ends with 0', () => {
  const { code, out, problems } = full;
  assert.equal(code, 0, out + problems);
  assert.equal(problems, '');
  assert.match(out, /The five results\n/);
  assert.match(out, /✓ 1 {2}Delivered inside verified TLS +delivered inside TLSv1\.3\n/);
  assert.match(out, /✓ 2 {2}STARTTLS stripped by a man in the middle +refused with 451 4\.7\.4\n/);
  assert.match(out, /✓ 3 {2}A forged certificate +refused with 451 4\.7\.5\n/);
  assert.match(out, /✓ 4 {2}Plaintext injected after the STARTTLS reply +refused with 451 4\.7\.5\n/);
  assert.match(out, /✓ 5 {2}Microsoft 365, which takes no passwords +delivered with a token\n/);
  assert.match(out, /454.4\.7\.0[^]*5\.7\.30 Basic[\s]+authentication[^]*sealpost[\s]+login/);
  assert.match(out, /mechanism +XOAUTH2\n/);
  assert.ok(!out.includes('✗'));
  assert.match(out, /SEALPOST_UPSTREAM=smtps:\/\/user:password@smtp\.example\.com \\\n +\S.* serve\n/);
  assert.match(out, /localhost, port 2525/);
});

test('shows what the wire carried, TLS version, cipher and group, and no password', () => {
  const { out } = full;
  assert.match(out, /relay +EHLO /);
  assert.match(out, /relay +STARTTLS\n/);
  assert.match(out, /relay +TLS handshake, ClientHello, [\d ]+ octets\n/);
  assert.match(out, /relay +TLS application data, [\d ]+ octets\n/);
  assert.match(out, /TLS version +TLSv1\.3\n/);
  assert.match(out, /cipher +TLS_[A-Z0-9_]+\n/);
  assert.match(out, /group +X25519MLKEM768\n/);
  assert.match(out, /looked for on the wire/);
  assert.ok(!/pw-[0-9a-f]{16}/.test(out));
});

test('fits 80 columns and writes no escape sequence where no terminal is', () => {
  const lines = full.out.split('\n').filter((line) => !line.endsWith(' serve')); // a command to copy
  for (const line of lines) assert.ok(line.length <= 80, line);
  assert.ok(!full.out.includes('\u001b'));
});

test('leaves no file behind', () => {
  assert.deepEqual(readdirSync(temporary), []);
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`ends its relay and removes its files when stopped by ${signal}`, async () => {
    let relays: readonly number[] = [];
    const stop = (pid: number): void => {
      relays = childrenOf(pid);
      if (relays.length === 0) setImmediate(stop, pid);
      else process.kill(pid, signal);
    };
    let isStopping = false;
    const { code: exitCode, out } = await runDemo([], (written, pid) => {
      if (isStopping || !/^2 {2}/m.test(written)) return;
      isStopping = true;
      stop(pid);
    });
    assert.equal(exitCode, code);
    assert.ok(!out.includes('Go on with'));
    assert.deepEqual(readdirSync(temporary), []);
    assert.equal(relays.length, 1);
    for (const relay of relays) assert.throws(() => process.kill(relay, 0), { code: 'ESRCH' });
  });
}

test('ends with 1 and says what was different when the relay is a careless one', async () => {
  const out = new PassThrough({ encoding: 'utf8' });
  const told = text(out);
  const code = await demo([], out, fileURLToPath(new URL('careless-relay.ts', import.meta.url)));
  out.end();
  const story = await told;
  assert.equal(code, 1, story);
  assert.match(story, /✓ 1 {2}Delivered inside verified TLS/);
  for (const number of [2, 3, 4]) assert.match(story, new RegExp(`✗ ${number} {2}.* NOT as it must be\n`));
  const [, differences = ''] = story.split('Different from what it must be\n');
  const flat = differences.replaceAll(/\s+/g, ' ');
  assert.match(flat, /stripped by a man in the middle: Password, addresses and content were looked for/);
  assert.match(flat, /forged certificate: Nobody received a message/);
  assert.match(flat, /injected after the STARTTLS reply: Nobody received a message/);
  assert.ok(!story.includes('Go on with'));
});

test('says in one line why the relay does not start', async () => {
  let problems = '';
  const stderr = mock.method(process.stderr, 'write', (written: string) => (problems += written) !== '');
  const code = await demo([], new PassThrough(), join(temporary, 'nowhere.ts')).finally(() =>
    stderr.mock.restore(),
  );
  assert.equal(code, 1);
  assert.match(problems, /^sealpost demo: the relay ended before listener\.started: [^]*nowhere\.ts/);
});

test('explains that it takes no arguments', async () => {
  const { code, out, problems } = await runDemo(['--quick']);
  assert.equal(code, 64);
  assert.equal(out, '');
  assert.match(problems, /^sealpost: demo takes no arguments\n\nUsage: sealpost demo\n\n/);
});

/** Process ids from /proc: the relay is a child of the demo. */
function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}
