/**
 * Lines that wait for the file of the audit trail: none is lost, and none is in two blocks.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GENESIS, membersOf, seal, type Head } from '../../../src/audit/chain.ts';
import { WaitingLines } from '../../../src/audit/waiting-lines.ts';

class Scene {
  readonly waiting = new WaitingLines();
  #head: Head = GENESIS;

  add(count: number, reply = 'ü€'.repeat(50)): this {
    for (let added = 0; added < count; added += 1) {
      const sealed = seal(membersOf({ reply }), this.#head);
      this.#head = sealed;
      this.waiting.add(sealed);
    }
    return this;
  }

  /** Numbers of the lines in the oldest block, which goes. */
  take(): readonly number[] {
    const block = this.waiting.oldest();
    if (block === undefined) return [];
    const numbers = block.text
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => Number(/^\{"seq":(\d+),"reply":"[^"]*","previous"/.exec(line)?.[1]));
    assert.equal(numbers.at(-1), block.head.seq);
    this.waiting.dropOldest();
    return numbers;
  }

  takeAll(): readonly number[] {
    const all: number[] = [];
    for (let some = this.take(); some.length > 0; some = this.take()) all.push(...some);
    return all;
  }
}

test('gives every line back once, in order, however many there are', () => {
  const scene = new Scene().add(40_000);
  assert.equal(scene.waiting.count, 40_000);
  assert.deepEqual(
    scene.takeAll(),
    Array.from({ length: 40_000 }, (_, place) => place + 1),
  );
  assert.equal(scene.waiting.count, 0);
});

test('adds nothing to what is being written', () => {
  const scene = new Scene().add(2);
  const before = scene.waiting.oldest()?.text.toString();
  scene.add(1);
  assert.equal(scene.waiting.oldest()?.text.toString(), before);
  assert.deepEqual([scene.take(), scene.take(), scene.take()], [[1, 2], [3], []]);
});

test('takes a line that is longer than a block', () => {
  const scene = new Scene().add(1).add(1, 'x'.repeat(3_000_000)).add(1);
  assert.deepEqual(scene.takeAll(), [1, 2, 3]);
});

test('fills what was written before without a trace of it', () => {
  const scene = new Scene().add(20_000);
  scene.takeAll();
  assert.deepEqual(scene.add(3).takeAll(), [20_001, 20_002, 20_003]);
});
