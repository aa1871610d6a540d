/**
 * `sealpost health`: asks the relay with the same variables at a socket, and needs no admin listener.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { runSealpost, startRelay, type Variables } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';

const authority = new TestAuthority();
const stranger = new TestAuthority('A stranger');
const directory = mkdtempSync(join(tmpdir(), 'sealpost-health-'));
after(() => {
  authority.remove();
  stranger.remove();
  rmSync(directory, { recursive: true });
});

/** A port that nobody has now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address === null || typeof address === 'string' ? 0 : address.port;
}

async function variablesFor(upstream: ScriptedUpstream, state: string): Promise<Variables> {
  return {
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LISTEN: `127.0.0.1:${await freePort()}`,
    SEALPOST_STATE_DIR: join(directory, state),
  };
}

async function health(variables: Variables, ...args: readonly string[]): Promise<[number | null, string]> {
  const run = runSealpost(['health', ...args], variables);
  await once(run.child, 'close');
  return [run.child.exitCode, run.output];
}

function socketsIn(state: string): readonly string[] {
  return readdirSync(join(directory, state)).filter((name) => name.endsWith('.sock'));
}

test('says that a relay is ready and alive, at a socket that is for its owner alone, and leaves no line in the log', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  const variables = await variablesFor(upstream, 'ready');
  await using relay = await startRelay(variables);
  assert.deepEqual(await health(variables), [0, 'ready\n']);
  assert.deepEqual(await health(variables, 'live'), [0, 'alive\n']);
  const [socket = ''] = socketsIn('ready');
  assert.equal(statSync(join(directory, 'ready', socket)).mode & 0o777, 0o600);
  assert.equal(relay.log.at(-1)?.event, 'listener.started');
  await relay.stop();
  assert.deepEqual(socketsIn('ready'), []);
  const [code, line] = await health(variables);
  assert.equal(code, 1);
  assert.match(line, /^not running: nobody answers at .*relay-\w+\.sock \(ENOENT\)\n$/);
});

test('says in the words of RFC 8460 why a relay is not ready', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: stranger.issue() });
  const variables = await variablesFor(upstream, 'insecure');
  await using _relay = await startRelay(variables);
  assert.deepEqual(await health(variables), [1, 'not ready: certificate-not-trusted\n']);
});

test('asks each of two relays with one state directory by itself, and one that replaced a dead one', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  await using insecure = await ScriptedUpstream.start({ mode: 'implicit', identity: stranger.issue() });
  const one = await variablesFor(upstream, 'shared');
  const other = await variablesFor(insecure, 'shared');
  await using first = await startRelay(one);
  await using _second = await startRelay(other);
  assert.deepEqual(await health(one), [0, 'ready\n']);
  assert.deepEqual(await health(other), [1, 'not ready: certificate-not-trusted\n']);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  assert.equal((await health(one))[0], 1);
  await using _third = await startRelay(one);
  assert.deepEqual(await health(one), [0, 'ready\n']);
});

test('relays without the socket where there can be none, and is asked at the admin listener', async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  const admin = { SEALPOST_ADMIN_LISTEN: `127.0.0.1:${await freePort()}` };
  const state = { SEALPOST_STATE_DIR: '/proc/nowhere/at/all' };
  const variables = { ...(await variablesFor(upstream, 'none')), ...admin, ...state };
  await using relay = await startRelay(variables);
  const { reason } = await relay.event('admin.unreachable');
  assert.match(String(reason), /^E[A-Z]+$/);
  await relay.event('admin.started');
  assert.deepEqual(await health(variables), [0, 'ready\n']);
});
