/**
 * An upstream without a hop is left alone, longer each time, until a hop is seen.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { retryAfterMs } from '../../../src/spool/retry-schedule.ts';
import { RouteHealth } from '../../../src/spool/route-health.ts';

test('leaves it alone for 5 s, then twice as long each time, up to five minutes', () => {
  let now = 0;
  const health = new RouteHealth(() => now);
  const pauses = Array.from({ length: 8 }, () => {
    health.failed('main');
    const { restMs } = health;
    now += restMs;
    return restMs;
  });
  assert.deepEqual(pauses, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  assert.equal(health.isPaused('main'), false);
});

test('counts attempts that failed side by side once, and upstreams apart', () => {
  const health = new RouteHealth(() => 0);
  for (let count = 0; count < 5; count += 1) health.failed(undefined);
  assert.equal(health.restMs, 5_000);
  assert.deepEqual([health.isPaused(undefined), health.isPaused('main')], [true, false]);
});

test('says once that a hop is back, and forgets what was before', () => {
  const health = new RouteHealth(() => 0);
  health.failed('main');
  assert.deepEqual([health.revived('main'), health.revived('main')], [true, false]);
  assert.equal(health.isPaused('main'), false);
  health.failed('main');
  assert.equal(health.restMs, 5_000);
  assert.equal(health.revived('main'), true);
});

test('tries a message soon, then at intervals that double up to an hour', () => {
  const waits = [0, 1, 2, 9, 10, 1_000].map((attempts) => retryAfterMs(attempts, () => 0));
  assert.deepEqual(waits, [5_000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000]);
  assert.equal(
    retryAfterMs(0, () => 1),
    4_000,
  );
});
