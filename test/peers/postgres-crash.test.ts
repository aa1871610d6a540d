/**
 * Three relays and their PostgreSQL killed and stopped under load, before an upstream that flaps: a short form of
 * `scripts/crash --spool postgres --relays 3`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { crashRun } from '../../scripts/adversity/crash-run.ts';

const LIMIT = { timeout: 180_000 };

const result = await crashRun({ kills: 8, relays: 3, clients: 3, spool: 'postgres', restMs: 3_000 });
const told = `seed ${result.seed}`;

test('loses nothing that was acknowledged when relays and their database are killed', LIMIT, () => {
  assert.ok(result.acknowledged > 0 && result.restarts > 0, told);
  assert.deepEqual(result.lost, [], told);
  assert.deepEqual(result.mistakes, [], told);
  assert.equal(result.inSpool, 0, told);
});

test('delivers nothing that was refused for sure when relays and their database are killed', LIMIT, () => {
  assert.deepEqual(result.contradicted, [], told);
});

test('delivers twice only where nobody could know when relays and their database are killed', LIMIT, () => {
  assert.deepEqual(result.doubledWithoutNeed, [], told);
});
