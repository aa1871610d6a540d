/**
 * Relays killed under load before an upstream that flaps: a short form of scripts/crash.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { crashRun, type CrashResult } from '../../scripts/adversity/crash-run.ts';

const LIMIT = { timeout: 180_000 };

const [cutThrough, spooled] = await Promise.all([
  crashRun({ kills: 6, relays: 1, clients: 4, spool: 'off' }),
  crashRun({ kills: 5, relays: 2, clients: 4, spool: 'file' }),
]);

const RUNS: readonly (readonly [string, CrashResult])[] = [
  ['without a spool', cutThrough],
  ['with a spool that two relays share', spooled],
];

for (const [how, result] of RUNS) {
  test(`loses nothing that was acknowledged when relays are killed, ${how}`, LIMIT, () => {
    const told = `seed ${result.seed}`;
    assert.ok(result.acknowledged > 0, told);
    assert.deepEqual(result.lost, [], told);
    assert.deepEqual(result.contradicted, [], `refused for sure, and delivered; ${told}`);
    assert.deepEqual(result.mistakes, [], told);
  });

  test(`delivers twice only where nobody could know, ${how}`, LIMIT, () => {
    assert.deepEqual(result.doubledWithoutNeed, [], `seed ${result.seed}`);
  });
}

test('delivers nothing twice without a spool, and all that a spool took in the end', LIMIT, () => {
  assert.equal(cutThrough.doubled, 0);
  assert.equal(spooled.inSpool, 0);
});
