/**
 * One answer about several processes: whoever can vouch for the upstream does, and one that is stuck holds nobody up.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Health } from '../../src/admin/health.ts';
import { SharedHealth, type HealthMember } from '../../src/admin/shared-health.ts';

const READY: Health = { ready: true };
const NOT_READY: Health = { ready: false, reason: 'unreachable' };

class Member implements HealthMember {
  probes = 0;
  readonly #known: { readonly health: Health | undefined } | undefined;
  readonly #probed: Health | undefined;

  constructor(known: { readonly health: Health | undefined } | undefined, probed: Health | undefined) {
    this.#known = known;
    this.#probed = probed;
  }

  async known(): Promise<{ readonly health: Health | undefined } | undefined> {
    return Promise.resolve(this.#known);
  }

  async probe(): Promise<Health | undefined> {
    this.probes += 1;
    return Promise.resolve(this.#probed);
  }
}

function ignorant(probed: Health): Member {
  return new Member({ health: undefined }, probed);
}

function mute(): Member {
  return new Member(undefined, undefined);
}

test('is ready without a probe when any process knows that it is', async () => {
  const members = [ignorant(NOT_READY), new Member({ health: READY }, undefined)];
  assert.deepEqual(await new SharedHealth(() => members).ask(), READY);
  assert.deepEqual(
    members.map(({ probes }) => probes),
    [0, 0],
  );
});

test('does not wait for a process that is stuck when another knows', async () => {
  const stuck = mute();
  stuck.known = async () => new Promise(() => undefined);
  const health = new SharedHealth(() => [stuck, new Member({ health: READY }, undefined)]);
  assert.deepEqual(await health.ask(), READY);
});

for (const probed of [READY, NOT_READY]) {
  test(`lets one process probe, however many ask at once, and tells what it found (ready: ${probed.ready})`, async () => {
    const members = [ignorant(probed), ignorant(probed)];
    const health = new SharedHealth(() => members);
    const answers = await Promise.all([health.ask(), health.ask(), health.ask()]);
    assert.deepEqual(answers, [probed, probed, probed]);
    assert.equal(
      members.map(({ probes }) => probes).reduce((sum, count) => sum + count),
      1,
    );
  });
}

test('lets a process probe that answers, not one that is stuck', async () => {
  const members = [mute(), ignorant(READY)];
  assert.deepEqual(await new SharedHealth(() => members).ask(), READY);
  assert.equal(members[0]?.probes, 0);
});

test('is not ready when no process answers, or there is none', async () => {
  const expected = { ready: false, reason: 'no-worker-answers' };
  assert.deepEqual(await new SharedHealth(() => [mute(), mute()]).ask(), expected);
  assert.deepEqual(await new SharedHealth(() => []).ask(), expected);
});
