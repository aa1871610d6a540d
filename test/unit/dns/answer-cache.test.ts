import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AnswerCache, MAX_ENTRIES } from '../../../src/dns/answer-cache.ts';
import { DnsError } from '../../../src/dns/dns-error.ts';
import type { TimedAnswer } from '../../../src/dns/record-set.ts';

/** A cache, its clock and how often each name was asked for. */
function stage(): {
  readonly asked: string[];
  readonly ask: (name: string, ttlSeconds: number, records?: readonly string[]) => Promise<readonly string[]>;
  readonly pass: (seconds: number) => void;
} {
  let now = 1_000_000;
  const asked: string[] = [];
  const cache = new AnswerCache<string>(() => now);
  return {
    asked,
    pass: (seconds) => (now += seconds * 1_000),
    ask: async (name, ttlSeconds, records = ['x']) => {
      const lookup = async (): Promise<TimedAnswer<string>> => {
        asked.push(name);
        return { answer: { isSecure: true, records, canonicalName: name }, ttlSeconds };
      };
      return (await cache.get(name, lookup, never())).records;
    },
  };
}

function never(): AbortSignal {
  return new AbortController().signal;
}

test('keeps an answer for its TTL and not longer', async () => {
  const { ask, asked, pass } = stage();
  await ask('a.test', 60);
  pass(59.999);
  assert.deepEqual(await ask('a.test', 60), ['x']);
  assert.equal(asked.length, 1);
  pass(0.001);
  await ask('a.test', 60);
  assert.equal(asked.length, 2);
});

test('keeps no answer whose TTL is 0', async () => {
  const { ask, asked } = stage();
  await ask('a.test', 0);
  await ask('a.test', 0);
  assert.equal(asked.length, 2);
});

test('keeps an answer for an hour at most', async () => {
  const { ask, asked, pass } = stage();
  await ask('a.test', 604_800);
  pass(3_599);
  await ask('a.test', 604_800);
  assert.equal(asked.length, 1);
  pass(1);
  await ask('a.test', 604_800);
  assert.equal(asked.length, 2);
});

test('keeps a denial for five minutes at most', async () => {
  const { ask, asked, pass } = stage();
  await ask('a.test', 86_400, []);
  pass(299);
  assert.deepEqual(await ask('a.test', 86_400, []), []);
  assert.equal(asked.length, 1);
  pass(1);
  await ask('a.test', 86_400, []);
  assert.equal(asked.length, 2);
});

test('drops the oldest answer when it is full', async () => {
  const { ask, asked } = stage();
  for (let at = 0; at <= MAX_ENTRIES; at += 1) await ask(`${at}.test`, 60);
  asked.length = 0;
  await ask('1.test', 60);
  assert.deepEqual(asked, []);
  await ask('0.test', 60);
  assert.deepEqual(asked, ['0.test']);
});

test('lets equal questions at the same time share one lookup', async () => {
  const cache = new AnswerCache<string>(() => 0);
  const { promise, resolve } = Promise.withResolvers<TimedAnswer<string>>();
  let lookups = 0;
  const lookup = async (): Promise<TimedAnswer<string>> => {
    lookups += 1;
    return promise;
  };
  const answers = [1, 2, 3].map(async () => cache.get('a.test', lookup, never()));
  resolve({ answer: { isSecure: true, records: ['x'], canonicalName: 'a.test' }, ttlSeconds: 0 });
  for (const answer of await Promise.all(answers)) assert.deepEqual(answer.records, ['x']);
  assert.equal(lookups, 1);
});

test('keeps no failure', async () => {
  const cache = new AnswerCache<string>(() => 0);
  let lookups = 0;
  const lookup = async (): Promise<TimedAnswer<string>> => {
    lookups += 1;
    throw new DnsError('servfail');
  };
  await assert.rejects(cache.get('a.test', lookup, never()), { reason: 'servfail' });
  await assert.rejects(cache.get('a.test', lookup, never()), { reason: 'servfail' });
  assert.equal(lookups, 2);
});

test('ends the wait of one caller without ending the lookup of another', async () => {
  const cache = new AnswerCache<string>(() => 0);
  const { promise, resolve } = Promise.withResolvers<TimedAnswer<string>>();
  const signals: AbortSignal[] = [];
  const lookup = async (signal: AbortSignal): Promise<TimedAnswer<string>> => {
    signals.push(signal);
    return promise;
  };
  const impatient = new AbortController();
  const first = cache.get('a.test', lookup, impatient.signal);
  const second = cache.get('a.test', lookup, never());
  impatient.abort();
  await assert.rejects(first, { reason: 'timeout' });
  assert.equal(signals[0]?.aborted, false);
  resolve({ answer: { isSecure: true, records: ['x'], canonicalName: 'a.test' }, ttlSeconds: 1 });
  assert.deepEqual((await second).records, ['x']);
});

test('ends a lookup for which nobody waits any more, and asks anew', async () => {
  const cache = new AnswerCache<string>(() => 0);
  const signals: AbortSignal[] = [];
  const silence = async (signal: AbortSignal): Promise<TimedAnswer<string>> => {
    signals.push(signal);
    return new Promise(() => undefined);
  };
  const impatient = new AbortController();
  const first = cache.get('a.test', silence, impatient.signal);
  impatient.abort();
  await assert.rejects(first, { reason: 'timeout' });
  assert.equal(signals[0]?.aborted, true);
  const answer = await cache.get(
    'a.test',
    async () => ({ answer: { isSecure: true, records: ['x'], canonicalName: 'a.test' }, ttlSeconds: 1 }),
    never(),
  );
  assert.deepEqual(answer.records, ['x']);
});

test('asks nothing for a caller who has given up already', async () => {
  const cache = new AnswerCache<string>(() => 0);
  const asked = cache.get('a.test', async () => assert.fail('asked'), AbortSignal.abort());
  await assert.rejects(asked, { reason: 'timeout' });
});
