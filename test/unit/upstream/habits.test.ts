/**
 * What an upstream was seen to do makes us more careful, for a while.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Capabilities } from '../../../src/protocol/capabilities.ts';
import { Habits } from '../../../src/upstream/habits.ts';

const LIMITS = {
  min: 0,
  max: 100,
  idleMs: 60_000,
  maxAgeMs: 600_000,
  maxMessages: 1_000,
  messagesPerMinute: Infinity,
};

function offering(...keywords: readonly string[]): Capabilities {
  return Capabilities.of({ code: 250, lines: ['upstream.test', ...keywords] });
}

test('keeps to the limits of the operator as long as nothing else was seen', () => {
  const habits = new Habits(LIMITS);
  assert.deepEqual([habits.connections, habits.idleMs, habits.messages], [100, 60_000, 1_000]);
});

test('asks for no more sessions than were open when one more was refused, and for one more each ten seconds', () => {
  let now = 0;
  const habits = new Habits(LIMITS, () => now);
  habits.refusedBeyond(3);
  now = 9_999;
  assert.equal(habits.connections, 3);
  now = 20_000;
  assert.equal(habits.connections, 5);
  habits.refusedBeyond(3);
  assert.equal(habits.connections, 3);
});

test('believes what it sees: more sessions than were thought possible', () => {
  const habits = new Habits(LIMITS);
  habits.refusedBeyond(1);
  habits.opened(offering(), 4);
  assert.equal(habits.connections, 4);
});

test('leaves a session idle for less time than the upstream did before it ended one', () => {
  let now = 0;
  const habits = new Habits(LIMITS, () => now);
  habits.endedAfter(40_000);
  assert.equal(habits.idleMs, 32_000);
  habits.endedAfter(20_000);
  assert.equal(habits.idleMs, 16_000);
  habits.endedAfter(30_000);
  assert.equal(habits.idleMs, 16_000);
  now = 600_000;
  assert.equal(habits.idleMs, 60_000);
});

test('takes no session that ended right after its use for one that ended of idleness', () => {
  const habits = new Habits(LIMITS);
  habits.endedAfter(9_999);
  assert.equal(habits.idleMs, 60_000);
});

test('is never less careful than the operator', () => {
  const habits = new Habits({ ...LIMITS, max: 2, idleMs: 5_000, maxMessages: 3 });
  habits.refusedBeyond(7);
  habits.endedAfter(100_000);
  habits.opened(offering('LIMITS MAILMAX=50'), 1);
  assert.deepEqual([habits.connections, habits.idleMs, habits.messages], [2, 5_000, 3]);
});

const TOLD: readonly (readonly [line: string, messages: number])[] = [
  ['LIMITS MAILMAX=50', 50],
  ['LIMITS RCPTMAX=5 mailmax=7', 7],
  ['LIMITS RCPTDOMAINMAX=3', 1],
  ['LIMITS RCPTMAX=5', 1_000],
  ['LIMITS MAILMAX=0', 1_000],
  ['LIMITS MAILMAX=1000000', 1_000],
  ['LIMITS MAILMAX', 1_000],
  ['LIMITS', 1_000],
];

for (const [line, messages] of TOLD) {
  test(`lets a session carry ${messages} messages at "${line}"`, () => {
    const habits = new Habits(LIMITS);
    habits.opened(offering(line), 1);
    assert.equal(habits.messages, messages);
  });
}
