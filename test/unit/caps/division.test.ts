/**
 * How relays divide connections, whatever each of them wants and in whatever order they ask.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { partOf } from '../../../src/caps/division.ts';

interface Relay {
  held: number;
  wanted: number;
  granted: number;
}

/** One relay asks, lets go of what is too many, opens what it may, and asks again at some time. */
function ask(relays: readonly Relay[], at: number, max: number): void {
  const relay = relays[at];
  assert.ok(relay);
  const part = partOf(
    max,
    relay,
    relays.filter((other) => other !== relay),
  );
  relay.granted = part.granted;
  relay.held = Math.max(Math.min(relay.held, part.bound), Math.min(relay.wanted, part.bound));
}

const total = (relays: readonly Relay[], of: 'held' | 'granted'): number =>
  relays.reduce((sum, relay) => sum + relay[of], 0);

const wishes = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 5 });

test('never grants more than the cap, and none holds more than was granted', () => {
  const steps = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 12 })), { maxLength: 60 });
  fc.assert(
    fc.property(wishes, fc.integer({ min: 1, max: 9 }), steps, (wanted, max, changes) => {
      const relays = wanted.map((one) => ({ held: 0, wanted: one, granted: 0 }));
      for (const [at, wish] of changes) {
        const relay = relays[at % relays.length];
        assert.ok(relay);
        relay.wanted = wish;
        ask(relays, at % relays.length, max);
        assert.ok(total(relays, 'granted') <= max);
        for (const { held, granted } of relays) assert.ok(held <= granted);
      }
    }),
  );
});

test('leaves none idle that somebody wants, and takes from who has more than an equal part', () => {
  fc.assert(
    fc.property(wishes, fc.integer({ min: 1, max: 9 }), (wanted, max) => {
      const relays = wanted.map((one) => ({ held: 0, wanted: one, granted: 0 }));
      const [first] = relays;
      assert.ok(first);
      first.held = max;
      first.granted = max;
      for (let round = 0; round < 12; round += 1) for (const at of relays.keys()) ask(relays, at, max);
      const least = Math.floor(max / relays.length);
      for (const { held, wanted: wish } of relays) assert.ok(held >= Math.min(wish, least));
      const allWanted = wanted.reduce((sum, wish) => sum + wish, 0);
      assert.ok(total(relays, 'held') >= Math.min(max, allWanted));
    }),
  );
});
