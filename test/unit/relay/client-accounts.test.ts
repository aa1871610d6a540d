/**
 * The accounts that clients have at the upstream: who shares one, and when it is forgotten.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { SystemResolver } from '../../../src/dns/system-resolver.ts';
import { RelayError } from '../../../src/protocol/failure.ts';
import { Secret } from '../../../src/protocol/secret.ts';
import { ClientAccounts } from '../../../src/relay/client-accounts.ts';
import { referenceIdentifier } from '../../../src/tls/reference-identifier.ts';
import { Trust } from '../../../src/tls/trust.ts';
import { HopOpener } from '../../../src/upstream/open-hop.ts';
import { HopPool } from '../../../src/upstream/pool.ts';
import { StallMemory } from '../../../src/upstream/stall-memory.ts';
import type { Target } from '../../../src/upstream/target.ts';
import { TestAuthority } from '../../support/pki.ts';
import { ScriptedUpstream } from '../../support/scripted-upstream.ts';

const LIMIT = { timeout: 20_000 };
const authority = new TestAuthority();
const upstream = await ScriptedUpstream.start({
  mode: 'implicit',
  identity: authority.issue(),
  answer: (line) => (line === saidBy('wrong') ? '535 5.7.8 No\r\n' : undefined),
});
after(async () => {
  await upstream[Symbol.asyncDispose]();
  authority.remove();
});

const { signal } = new AbortController();

function saidBy(password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0ann\0${password}`).toString('base64')}`;
}

function target(): Target {
  const reference = referenceIdentifier('localhost');
  assert.ok(reference !== undefined);
  return {
    place: { kind: 'host', reference, endpoints: [{ tls: 'implicit', port: upstream.port }] },
    authentication: { by: 'pkix' },
    trust: new Trust({ addedAnchors: [authority.caPem], isAnchorsOnly: true }),
  };
}

interface Scene {
  readonly pool: HopPool;
  /** Can be changed. */
  readonly wanted: { targets: readonly Target[] };
  readonly accounts: ClientAccounts;
}

function scene(most = 100): Scene {
  const resolver = new SystemResolver();
  const log = { emit: (): void => undefined };
  const timeouts = { connectMs: 5_000, commandMs: 5_000, finalMs: 5_000 };
  const settings = { hostname: 'relay.test', timeouts };
  const stalls = new StallMemory();
  const opener = new HopOpener({ settings, names: { resolver, machine: resolver }, stalls, log });
  const limits = {
    min: 0,
    max: 10,
    idleMs: 60_000,
    maxAgeMs: 600_000,
    maxMessages: 100,
    messagesPerMinute: Infinity,
  };
  const pool = new HopPool(opener, limits, log);
  const wanted = { targets: [target()] };
  const options = { pool, targets: () => wanted.targets, mechanisms: undefined, idleMs: 60_000, most };
  return { pool, wanted, accounts: new ClientAccounts(options) };
}

test('gives the same account to the same name and password, and another to any other', LIMIT, async () => {
  const { pool, accounts } = scene();
  const one = await accounts.logIn('ann', new Secret('x'), signal);
  const same = await accounts.logIn('ann', new Secret('x'), signal);
  const other = await accounts.logIn('ann', new Secret('y'), signal);
  assert.equal(one.targets[0], same.targets[0]);
  assert.notEqual(one.targets[0], other.targets[0]);
  assert.equal(accounts.size, 2);
  await pool.close();
});

test(
  'gives another account to the same name and password at an upstream that was changed',
  LIMIT,
  async () => {
    const { pool, wanted, accounts } = scene();
    const one = await accounts.logIn('ann', new Secret('x'), signal);
    wanted.targets = [target()];
    const other = await accounts.logIn('ann', new Secret('x'), signal);
    assert.notEqual(one.targets[0], other.targets[0]);
    const again = await accounts.logIn('ann', new Secret('x'), signal);
    assert.equal(again.targets[0], other.targets[0]);
    await pool.close();
  },
);

test('keeps an account that was let in, and nothing of one that was refused', LIMIT, async () => {
  const { pool, accounts } = scene();
  const right = await accounts.logIn('ann', new Secret('x'), signal);
  right.release();
  right.release();
  assert.equal(accounts.size, 1);
  const refused = accounts.logIn('ann', new Secret('wrong'), signal);
  await assert.rejects(refused, (error) => error instanceof RelayError && error.failure.kind === 'auth');
  assert.equal(accounts.size, 1);
  await pool.close();
});

test('offers what was refused ever more rarely, and slows no other name or password', LIMIT, async () => {
  const { pool, accounts } = scene();
  const before = upstream.connections.length;
  for (let count = 0; count < 5; count += 1) {
    const refused = accounts.logIn('ann', new Secret('wrong'), signal);
    await assert.rejects(refused, (error) => error instanceof RelayError && error.failure.kind === 'auth');
  }
  assert.equal(upstream.connections.length, before + 2);
  assert.equal(accounts.isProven('ann', new Secret('wrong')), false);
  await accounts.logIn('ann', new Secret('x'), signal);
  await accounts.logIn('bob', new Secret('wrong'), signal);
  assert.equal(accounts.isProven('ann', new Secret('x')), true);
  assert.equal(upstream.connections.length, before + 4);
  await pool.close();
});

test(
  'says goodbye on the hops of a target that is forgotten, and opens new ones if it is asked for',
  LIMIT,
  async () => {
    const { pool } = scene();
    const one = target();
    await pool.giveBack(await pool.lease({ targets: [one] }));
    const before = upstream.connections.length;
    await pool.forget(one);
    await upstream.idle();
    await pool.giveBack(await pool.lease({ targets: [one] }));
    assert.equal(upstream.connections.length, before + 1);
    await pool.close();
  },
);

test(
  'makes room for a new account out of those that nobody uses, and refuses it where there is none',
  LIMIT,
  async () => {
    const { pool, accounts } = scene(2);
    const one = await accounts.logIn('one', new Secret('x'), signal);
    const two = await accounts.logIn('two', new Secret('x'), signal);
    const refused = accounts.logIn('three', new Secret('x'), signal);
    await assert.rejects(
      refused,
      (error) => error instanceof RelayError && error.failure.kind === 'capacity',
    );
    two.release();
    one.release();
    await accounts.logIn('three', new Secret('x'), signal);
    assert.equal(accounts.size, 2);
    const again = await accounts.logIn('one', new Secret('x'), signal);
    assert.equal(again.targets[0], one.targets[0]);
    await pool.close();
  },
);

test('waits with forgetting until what is leased was given back', LIMIT, async () => {
  const { pool } = scene();
  const one = target();
  const lease = await pool.lease({ targets: [one] });
  let isForgotten = false;
  const forgotten = pool.forget(one).then(() => (isForgotten = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isForgotten, false);
  assert.equal(lease.hop.isReady, true);
  await pool.giveBack(lease);
  await forgotten;
  await pool.close();
});
