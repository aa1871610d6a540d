/**
 * What the store of spooled messages promises, on real files.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { RelayError } from '../../src/protocol/failure.ts';
import { add, contentOf, spoolPlace } from '../support/spool-place.ts';

function isFull(error: unknown): boolean {
  return error instanceof RelayError && error.failure.kind === 'spool' && error.failure.reason === 'full';
}

test('gives back what it was given, small and large', async () => {
  await using at = await spoolPlace();
  for (const [id, octets] of [
    ['small', 10],
    ['large', 300_000],
  ] as const) {
    const content = Buffer.alloc(octets, 'x\r\n');
    const added = await add(at, id, content);
    assert.deepEqual((await at.store.get(id))?.message, added);
    assert.ok((await contentOf(at, id)).equals(content));
  }
});

test('refuses what is beyond its limits, and keeps nothing of it', async () => {
  await using at = await spoolPlace({ maxMessages: 2, maxOctets: 100 });
  await add(at, 'first', Buffer.alloc(60));
  await assert.rejects(add(at, 'toolarge', Buffer.alloc(41)), isFull);
  await add(at, 'second', Buffer.alloc(40));
  await assert.rejects(add(at, 'toomany', Buffer.alloc(0)), isFull);
  assert.deepEqual((await readdir(join(at.directory, 'content'))).toSorted(), ['first', 'second']);
  assert.equal((await at.store.measure()).octets, 100);
});
