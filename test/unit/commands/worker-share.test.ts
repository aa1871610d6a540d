/**
 * What each of several workers may use, and when a dead one is replaced.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ALONE, restMs, shareOf, shortLives } from '../../../src/commands/worker-share.ts';

function sharesOf(limit: number, workers: number): readonly number[] {
  return Array.from({ length: workers }, (_, index) => shareOf(limit, { worker: index + 1, workers }));
}

test('gives a process that is alone the whole limit', () => {
  assert.equal(shareOf(17, ALONE), 17);
});

test('gives the first workers what does not divide evenly', () => {
  assert.deepEqual(sharesOf(7, 3), [3, 2, 2]);
  assert.deepEqual(sharesOf(2, 4), [1, 1, 0, 0]);
  assert.deepEqual(sharesOf(0, 2), [0, 0]);
});

test('shares every limit among any number of workers so that the parts add up to it', () => {
  for (let limit = 0; limit <= 130; limit += 1) {
    for (let workers = 1; workers <= 64; workers += 1) {
      const shares = sharesOf(limit, workers);
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        limit,
      );
      assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
    }
  }
});

test('replaces a worker at once when it had lasted, and ever later when it dies at its start', () => {
  assert.equal(restMs(shortLives(5, 60_000)), 0);
  const rests: number[] = [];
  for (let lives = 0; rests.length < 10;) {
    lives = shortLives(lives, 50);
    rests.push(restMs(lives));
  }
  assert.deepEqual(rests, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});
