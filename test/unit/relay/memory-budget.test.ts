import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RelayError } from '../../../src/protocol/failure.ts';
import { Content } from '../../../src/relay/content.ts';
import { MemoryBudget, type MemoryShare } from '../../../src/relay/memory-budget.ts';
import type { Body } from '../../../src/upstream/body.ts';

const isCapacity = (error: unknown): boolean =>
  error instanceof RelayError && error.failure.kind === 'capacity';

test('gives all shares together no more than there is, and gives again what was let go', () => {
  const budget = new MemoryBudget(100);
  const [first, second] = [budget.share(), budget.share()];
  first.hold(60);
  second.hold(40);
  assert.throws(() => first.hold(61), isCapacity);
  second.hold(30);
  first.hold(70);
  first.hold(0);
  first.hold(0);
  second.hold(100);
});

test('keeps what a share has when it is refused more', () => {
  const budget = new MemoryBudget(100);
  const [first, second] = [budget.share(), budget.share()];
  first.hold(60);
  assert.throws(() => first.hold(101), isCapacity);
  assert.throws(() => second.hold(41), isCapacity);
  second.hold(40);
});

/** Content whose header is held by this share. */
function content(memory: MemoryShare, written: Buffer[] = []): Content {
  const body: Body = {
    write: async (pieces) => Promise.resolve(void written.push(...pieces)),
    end: async () => Promise.resolve({ code: 250, lines: ['2.0.0 ok'] }),
  };
  return new Content(body, {
    maxOctets: 1_000_000,
    lineEndings: 'normalise',
    prepareHeader: (header) => [header.octets],
    memory,
  });
}

test('counts a header while it is unfinished, and refuses one for which nothing is left', async () => {
  const budget = new MemoryBudget(1_000);
  const unfinished = content(budget.share());
  await unfinished.write([Buffer.from(`Subject: ${'x'.repeat(600)}\r\n`)]);
  await assert.rejects(content(budget.share()).write([Buffer.from(`X: ${'y'.repeat(600)}\r\n`)]), isCapacity);
  await unfinished.write([Buffer.from('\r\nbody')]);
  await content(budget.share()).write([Buffer.from(`X: ${'y'.repeat(600)}\r\n`)]);
});

test('counts no body, however long', async () => {
  const budget = new MemoryBudget(1_000);
  const written: Buffer[] = [];
  const long = content(budget.share(), written);
  await long.write([Buffer.from('Subject: x\r\n\r\n')]);
  for (let at = 0; at < 10; at += 1) await long.write([Buffer.alloc(1_000, 'z')]);
  assert.equal(Buffer.concat(written).length, 10_014);
});
