/**
 * A hop serves only the target it was opened for: one object is one name, pin, policy and account.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { SystemResolver } from '../../../src/dns/system-resolver.ts';
import { Secret } from '../../../src/protocol/secret.ts';
import { referenceIdentifier, type ReferenceIdentifier } from '../../../src/tls/reference-identifier.ts';
import { Trust } from '../../../src/tls/trust.ts';
import { HopOpener } from '../../../src/upstream/open-hop.ts';
import { HopPool } from '../../../src/upstream/pool.ts';
import { StallMemory } from '../../../src/upstream/stall-memory.ts';
import type { Target } from '../../../src/upstream/target.ts';
import { TestAuthority, type Identity } from '../../support/pki.ts';
import { GOOD_KEYWORDS, ScriptedUpstream } from '../../support/scripted-upstream.ts';

const authority = new TestAuthority();
const identity: Identity = authority.issue({ san: 'DNS:localhost,DNS:other.test' });
const ANCHORS = { addedAnchors: [authority.caPem], isAnchorsOnly: true };
const trust = new Trust(ANCHORS);
const log = { emit: (): void => undefined };
const LIMITS = {
  min: 0,
  max: 100,
  idleMs: 60_000,
  maxAgeMs: 600_000,
  maxMessages: 1_000,
  messagesPerMinute: Infinity,
};
const pin = authority.pin(identity);
const otherPin = authority.pin(authority.issue());

let upstream: ScriptedUpstream;
before(async () => {
  upstream = await ScriptedUpstream.start({ mode: 'implicit', identity, keywords: keywordsNow() });
});
after(async () => {
  await upstream[Symbol.asyncDispose]();
  authority.remove();
});

function keywordsNow(...more: readonly string[]): readonly string[] {
  return [...GOOD_KEYWORDS, ...more];
}

function reference(name: string): ReferenceIdentifier {
  const found = referenceIdentifier(name);
  assert.ok(found !== undefined);
  return found;
}

function target(changes: Partial<Target> = {}): Target {
  return {
    place: {
      kind: 'host',
      reference: reference('localhost'),
      endpoints: [{ tls: 'implicit', port: upstream.port }],
    },
    authentication: { by: 'pkix' },
    trust,
    credentials: account('alice'),
    ...changes,
  };
}

function account(user: string): Target['credentials'] {
  return { kind: 'password', user, password: new Secret('correct horse') };
}

function newPool(limits = LIMITS): HopPool {
  const machine = new SystemResolver();
  const timeouts = { connectMs: 5_000, commandMs: 5_000, finalMs: 5_000 };
  const settings = { hostname: 'relay.example.test', timeouts };
  return new HopPool(
    new HopOpener({ settings, names: { resolver: machine, machine }, stalls: new StallMemory(), log }),
    limits,
    log,
  );
}

/** Leases for one target, gives back, leases for another. @returns whether the second got the first's hop */
async function isShared(first: Target, second: Target): Promise<boolean> {
  const pool = newPool();
  try {
    const one = await pool.lease({ targets: [first] });
    await pool.giveBack(one);
    const two = await pool.lease({ targets: [second] });
    await pool.giveBack(two);
    return two.hop === one.hop;
  } finally {
    await pool.close();
  }
}

test('takes the idle hop of the same target', async () => {
  const same = target();
  assert.ok(await isShared(same, same));
});

const STRICTER: readonly (readonly [what: string, weaker: () => Target, stronger: () => Target])[] = [
  ['another name', () => target(), () => target({ serverName: reference('other.test') })],
  ['a pin', () => target(), () => target({ authentication: { by: 'pin', pins: [pin] } })],
  [
    'another pin',
    () => target({ authentication: { by: 'pin', pins: [pin] } }),
    () => target({ authentication: { by: 'pin', pins: [otherPin, pin] } }),
  ],
  [
    'a pin with the chain',
    () => target({ authentication: { by: 'pin', pins: [pin] } }),
    () => target({ authentication: { by: 'pkix-and-pin', pins: [pin] } }),
  ],
  [
    'a newer TLS version',
    () => target(),
    () =>
      target({
        trust: new Trust({ minVersion: 'TLSv1.3', addedAnchors: [authority.caPem], isAnchorsOnly: true }),
      }),
  ],
  ['fewer anchors', () => target({ trust: new Trust({ addedAnchors: [authority.caPem] }) }), () => target()],
  ['DANE', () => target(), () => target({ authentication: { by: 'dane', otherwise: 'pkix' } })],
  [
    'a client certificate',
    () => target(),
    () => target({ trust: new Trust({ ...ANCHORS, clientIdentity: identity }) }),
  ],
  ['another account', () => target(), () => target({ credentials: account('bob') })],
  ['an account', () => target({ credentials: undefined }), () => target()],
];

for (const [what, weaker, stronger] of STRICTER) {
  test(`opens a new hop for a target with ${what}`, async () => {
    assert.equal(await isShared(weaker(), stronger()), false);
  });
}

test('takes no hop of another target when the wanted one cannot be verified', async () => {
  const pool = newPool();
  const one = await pool.lease({ targets: [target()] });
  await pool.giveBack(one);
  const strict = target({ authentication: { by: 'pkix-and-pin', pins: [otherPin] } });
  await assert.rejects(pool.lease({ targets: [strict] }), { message: 'tls at handshake' });
  await pool.close();
});

test('takes the idle hop of the target that is preferred', async () => {
  const pool = newPool();
  const [preferred, other] = [target(), target({ credentials: account('bob') })];
  const [one, two] = [await pool.lease({ targets: [preferred] }), await pool.lease({ targets: [other] })];
  await pool.giveBack(one);
  await pool.giveBack(two);
  const leased = await pool.lease({ targets: [preferred, other] });
  assert.equal(leased.target, preferred);
  await pool.giveBack(leased);
  await pool.close();
});

test('takes no idle hop that lacks what the transaction needs', async () => {
  const pool = newPool();
  const same = target();
  const without = await pool.lease({ targets: [same] });
  await pool.giveBack(without);
  await assert.rejects(pool.lease({ targets: [same], extension: 'REQUIRETLS' }), { message: 'unsupported' });
  upstream.play({ ...upstream.script, keywords: keywordsNow('REQUIRETLS') });
  while (without.hop.isReady) await new Promise((resolve) => setImmediate(resolve));
  const having = await pool.lease({ targets: [same], extension: 'REQUIRETLS' });
  assert.ok(having.hop.capabilities.has('REQUIRETLS'));
  await pool.giveBack(having);
  await pool.close();
});

test('serves those who wait in the order in which they came', async () => {
  const pool = newPool({ ...LIMITS, max: 1 });
  const same = target();
  const held = await pool.lease({ targets: [same] });
  const served: number[] = [];
  const all = Promise.all(
    [1, 2, 3, 4].map(async (number) => {
      const lease = await pool.lease({ targets: [same] });
      served.push(number);
      await pool.giveBack(lease);
    }),
  );
  await pool.giveBack(held);
  await all;
  assert.deepEqual(served, [1, 2, 3, 4]);
  await pool.close();
});

test('serves clients before those whom no client waits for', async () => {
  const pool = newPool({ ...LIMITS, max: 1 });
  const same = target();
  const held = await pool.lease({ targets: [same] });
  const served: string[] = [];
  const take = async (name: string, isBackground: boolean): Promise<void> => {
    const lease = await pool.lease({ targets: [same], isBackground });
    served.push(name);
    await pool.giveBack(lease);
  };
  const all = Promise.all([take('spooled', true), take('first', false), take('second', false)]);
  await pool.giveBack(held);
  await all;
  assert.deepEqual(served, ['first', 'second', 'spooled']);
  await pool.close();
});

test('leaves a quarter of the turns of a minute to those whom a client waits for', async () => {
  const pool = newPool({ ...LIMITS, messagesPerMinute: 4 });
  const targets = [target()];
  const leases = [];
  for (let turn = 0; turn < 3; turn += 1) leases.push(await pool.lease({ targets, isBackground: true }));
  await assert.rejects(pool.lease({ targets, isBackground: true }), { message: 'capacity' });
  leases.push(await pool.lease({ targets }));
  for (const lease of leases) await pool.giveBack(lease);
  await pool.close();
});

test('opens hops ahead of those who ask while demand rises', async () => {
  const pool = newPool();
  const same = target();
  const atFirst = upstream.connections.length;
  const leases = [];
  for (let lease = 0; lease < 8; lease += 1) leases.push(await pool.lease({ targets: [same] }));
  const opened = (): number => upstream.connections.length - atFirst;
  while (opened() < 9) await upstream.changed();
  for (const lease of leases) await pool.giveBack(lease);
  for (const lease of await Promise.all(leases.map(async () => pool.lease({ targets: [same] }))))
    await pool.giveBack(lease);
  assert.ok(opened() <= 10, `${opened()} connections for eight at once`);
  await pool.close();
});

test('gives one hop to one transaction at a time, whatever happens', async () => {
  const pool = newPool({ ...LIMITS, max: 3, maxMessages: 5 });
  const same = target();
  const inUse = new Set<object>();
  await Promise.all(
    Array.from({ length: 50 }, async (_, number) => {
      const lease = await pool.lease({ targets: [same], isFresh: number % 7 === 0 });
      assert.ok(!inUse.has(lease.hop));
      inUse.add(lease.hop);
      await new Promise((resolve) => setImmediate(resolve));
      inUse.delete(lease.hop);
      if (number % 5 === 0) lease.hop.destroy();
      await pool.giveBack(lease);
    }),
  );
  assert.equal(inUse.size, 0);
  await pool.close();
});

test('lets whoever waits go when the pool is closed, and whoever is gone', async () => {
  const pool = newPool({ ...LIMITS, max: 1 });
  const same = target();
  const held = await pool.lease({ targets: [same] });
  const leaving = new AbortController();
  const gone = pool.lease({ targets: [same], signal: leaving.signal });
  leaving.abort();
  await assert.rejects(gone, { message: 'lost at mail' });
  await assert.rejects(pool.lease({ targets: [same], signal: AbortSignal.abort() }), {
    message: 'lost at mail',
  });
  const waiting = assert.rejects(pool.lease({ targets: [same] }), { message: 'capacity' });
  const closed = pool.close();
  await waiting;
  await assert.rejects(pool.lease({ targets: [same] }), { message: 'capacity' });
  await pool.giveBack(held);
  await closed;
});

test('serves whoever still has a target that was retired, and keeps no hop of it', async () => {
  const pool = newPool({ ...LIMITS, max: 1 });
  const old = target();
  await pool.giveBack(await pool.lease({ targets: [old] }));
  const held = await pool.lease({ targets: [old] });
  const waiting = pool.lease({ targets: [old] });
  pool.retire(old);
  await pool.giveBack(held);
  assert.equal((await waiting).hop, held.hop, 'who waited did not get the hop');
  await pool.giveBack(await waiting);
  const late = await pool.lease({ targets: [old] });
  assert.notEqual(late.hop, held.hop);
  await pool.giveBack(late);
  await upstream.idle(); // without the pool's end
  await pool.close();
});
