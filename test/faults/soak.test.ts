/**
 * A short form of scripts/soak.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { trendOf, type Sample } from '../../scripts/adversity/flatness.ts';
import { soakRun } from '../../scripts/adversity/soak-run.ts';

test('holds no more memory, descriptors and hops as time goes by, and lets all of them go', async () => {
  const result = await soakRun({ seconds: 12, clients: 4, spool: false });
  const told = `seed ${result.seed}\n${result.summary.join('\n')}`;
  assert.deepEqual(result.faults, [], told);
  assert.deepEqual(result.lost, [], told);
  assert.deepEqual(result.contradicted, [], told);
  assert.equal(result.doubled, 0, told);
  assert.ok(result.acknowledged > 0, told);
});

test('knows a leak from a level', () => {
  assert.ok(Math.abs(trendOf(samples((at) => 100 + (at % 2))).rise) < 1);
  assert.ok(
    Math.abs(trendOf(samples((at) => Math.min(at, 10) * 10)).rise) < 1,
    'a rise in the first half is none',
  );
  assert.ok(Math.abs(trendOf(samples((at) => 100 + at)).rise - 9) < 0.001);
});

function samples(value: (at: number) => number): readonly Sample[] {
  return Array.from({ length: 20 }, (_, at) => ({ atMs: at * 1_000, value: value(at) }));
}
