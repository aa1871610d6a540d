/**
 * A short run of the fuzzer (scripts/fuzz is the long one), and everything that it has ever found.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { allTargets, readVectors, shareOf } from '../support/fuzz/all-targets.ts';
import type { FuzzTarget } from '../support/fuzz/target.ts';

const TOTAL_MS = 15_000;
const LIMIT = { timeout: 120_000 };
/** Another one each time: what fails tells its seed. */
const seed = Math.floor(Math.random() * 2 ** 31);

const cleanup = new AsyncDisposableStack();
let targets: readonly FuzzTarget[] = [];
before(async () => {
  targets = await allTargets(cleanup);
});
after(async () => cleanup.disposeAsync());

test(
  'keeps every promise whatever clients, upstreams, resolvers and token endpoints say',
  LIMIT,
  async () => {
    for (const target of targets) {
      const played = await target.fuzz(shareOf(target, TOTAL_MS, targets), seed);
      assert.ok(played > 0, `${target.name}: nothing was played`);
    }
  },
);

for (const { file, target, why, input } of readVectors()) {
  test(`keeps what fuzzing taught: ${why} (${file})`, LIMIT, async () => {
    const found = targets.find(({ name }) => name === target);
    assert.ok(found !== undefined, `no target ${target}`);
    await found.replay(input);
  });
}
