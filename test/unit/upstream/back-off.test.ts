/**
 * A failing upstream is tried at growing intervals, and soon again when somebody waits.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BackOff } from '../../../src/upstream/back-off.ts';

/** Fails so often, each time at the first moment that is allowed. @returns the rests */
function rests(failures: number, isAwaited: boolean): readonly number[] {
  let now = 0;
  const backOff = new BackOff(() => now);
  return Array.from({ length: failures }, () => {
    backOff.failed(now);
    const rest = backOff.restMs(isAwaited);
    now += rest + 1;
    return rest;
  });
}

test('waits not at all after the first failure, then twice as long each time, up to five seconds', () => {
  assert.deepEqual(rests(9, true), [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
});

test('waits up to a minute where nobody waits for the outcome', () => {
  assert.deepEqual(rests(13, false).slice(8), [12_800, 25_600, 51_200, 60_000, 60_000]);
});

test('lets a client that comes later cut a long rest short', () => {
  let now = 0;
  const backOff = new BackOff(() => now);
  for (let failure = 0; failure < 20; failure += 1) backOff.failed(now);
  now = 4_000;
  assert.equal(backOff.restMs(true), 1_000);
  now = 6_000;
  assert.equal(backOff.restMs(true), 0);
  assert.equal(backOff.restMs(false), 54_000);
});

test('counts tries that ran side by side once', () => {
  let now = 0;
  const backOff = new BackOff(() => now);
  now = 50;
  for (let failure = 0; failure < 10; failure += 1) backOff.failed(10);
  assert.equal(backOff.isFailing, true);
  assert.equal(backOff.restMs(true), 0);
});

test('rests no more once a try succeeded, and forgets the failures once its hop has proved something', () => {
  let now = 0;
  const backOff = new BackOff(() => now);
  for (let failure = 0; failure < 5; failure += 1) backOff.failed((now += 1));
  backOff.opened(now);
  assert.deepEqual([backOff.isFailing, backOff.restMs(true)], [true, 0]);
  backOff.proven(now);
  assert.deepEqual([backOff.isFailing, backOff.restMs(true)], [false, 0]);
});

test('is not impressed by tries and hops that are older than the failure', () => {
  let now = 0;
  const backOff = new BackOff(() => now);
  for (let failure = 0; failure < 5; failure += 1) backOff.failed((now += 10));
  backOff.opened(now - 1);
  backOff.proven(now - 1);
  assert.deepEqual([backOff.isFailing, backOff.restMs(true)], [true, 800]);
});

test('offers refused credentials ever more rarely, whoever waits', () => {
  let now = 0;
  const backOff = new BackOff(() => now);
  const rested = Array.from({ length: 12 }, () => {
    backOff.failed(now, true);
    const rest = backOff.restMs(true);
    now += rest;
    return rest / 1_000;
  });
  assert.deepEqual(rested, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
});
