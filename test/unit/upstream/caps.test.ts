/**
 * Turns to send a message, by a clock that stands still unless it is moved.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { OwnCaps, type Turn } from '../../../src/upstream/caps.ts';

class Stage {
  now = 1_000;
  readonly caps = new OwnCaps(() => this.now);

  /** @returns milliseconds to wait; negative where the turn comes too late */
  async take(patienceMs = 30_000, account = 'a', perMinute = 3): Promise<number> {
    const turn = await this.caps.takeTurn(account, perMinute, patienceMs);
    return 'tooLateMs' in turn ? -turn.tooLateMs : turn.waitMs;
  }

  async turn(): Promise<Turn> {
    const turn = await this.caps.takeTurn('a', 3, 0);
    assert.ok('giveBack' in turn);
    return turn;
  }
}

test('lets as many begin at once as a minute may have, and no more in any minute', async () => {
  const stage = new Stage();
  const began: number[] = [];
  for (let n = 0; n < 40; n += 1) {
    const wait = await stage.take(Infinity);
    began.push(stage.now + wait);
    stage.now += 7_000;
  }
  assert.deepEqual(
    began,
    began.toSorted((a, b) => a - b),
  );
  for (const at of began) {
    const inMinute = began.filter((other) => other >= at && other < at + 60_000);
    assert.ok(inMinute.length <= 3, String(at));
  }
});

test('says at once how long it takes, and keeps no place for those who cannot wait', async () => {
  const stage = new Stage();
  for (let n = 0; n < 3; n += 1) assert.equal(await stage.take(), 0);
  stage.now += 20_000;
  assert.equal(await stage.take(39_999), -40_000);
  assert.equal(await stage.take(39_999), -40_000);
  assert.equal(await stage.take(40_000), 40_000);
  assert.equal(await stage.take(30_000, 'another account'), 0);
});

test('gives a turn that was not used to the next', async () => {
  const stage = new Stage();
  await stage.take();
  await stage.take();
  const unused = await stage.turn();
  assert.ok((await stage.take(0)) < 0);
  unused.giveBack();
  unused.giveBack();
  assert.equal(await stage.take(0), 0);
  assert.ok((await stage.take(0)) < 0);
});

test('lets no minute have more than the greatest cap, whoever asks with which', async () => {
  const question = fc.record({
    perMinute: fc.constantFrom(2, 4),
    patienceMs: fc.constantFrom(0, 40_000),
    later: fc.integer({ min: 0, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(question, { minLength: 10, maxLength: 30 }), async (questions) => {
      const stage = new Stage();
      const began: number[] = [];
      for (const { perMinute, patienceMs, later } of questions) {
        const wait = await stage.take(patienceMs, 'a', perMinute);
        if (wait >= 0) began.push(stage.now + wait);
        stage.now += later * 5_000;
      }
      for (const at of began)
        assert.ok(began.filter((other) => other >= at && other < at + 60_000).length <= 4);
    }),
    { numRuns: 1_000 },
  );
});

test('has a turn at once where those who may have fewer wait for theirs', async () => {
  const stage = new Stage();
  const background = [await stage.take(0, 'a', 2), await stage.take(0, 'a', 2), await stage.take(0, 'a', 2)];
  assert.deepEqual(background, [0, 0, -60_000]);
  assert.equal(await stage.take(0), 0);
});
