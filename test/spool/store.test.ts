/**
 * What the store of spooled messages promises, on real files.
 */
import assert from 'node:assert/strict';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { RelayError } from '../../src/protocol/failure.ts';
import { DraftRoom } from '../../src/spool/draft-room.ts';
import { SqliteStore } from '../../src/spool/sqlite-store.ts';
import { add, contentOf, spooled, spoolPlace, type SpoolPlace } from '../support/spool-place.ts';

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

test('gives a message to one at a time, and again to the next when its claim has ended', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  await using other = await otherStoreOf(at);
  const [first] = await at.store.claim(5, []);
  assert.ok(first !== undefined);
  assert.equal(first.message.attempts, 1);
  assert.deepEqual(await other.store.claim(5, []), []);
  lapse(at);
  const [second] = await other.store.claim(5, []);
  assert.ok(second !== undefined);
  assert.equal(second.message.attempts, 2);
  assert.equal(second.message.recipients[0]?.mayHaveIt, true);
  await at.store.renew([first]);
  assert.equal(await at.store.settle(first, undefined), false);
  assert.equal(await other.store.settle(second, undefined), true);
  assert.deepEqual(await readdir(join(at.directory, 'content')), []);
});

test('keeps a claim that is renewed', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  const [claim] = await at.store.claim(5, []);
  assert.ok(claim !== undefined);
  lapse(at, Date.now() + 100);
  await at.store.renew([claim]);
  assert.ok(((await at.store.nextDueAt([])) ?? 0) > Date.now() + 10_000);
});

test('writes down a result and the report on it together, or neither', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  const [claim] = await at.store.claim(5, []);
  assert.ok(claim !== undefined);
  const content = at.room.draft();
  await content.write([Buffer.from('report')]);
  const report = { message: spooled('two', 6), content };
  assert.equal(await at.store.settle({ ...claim, token: 'stolen' }, undefined, report), false);
  assert.deepEqual(await readdir(join(at.directory, 'content')), ['one']);
  const again = at.room.draft();
  await again.write([Buffer.from('report')]);
  assert.equal(await at.store.settle(claim, undefined, { ...report, content: again }), true);
  assert.deepEqual(await readdir(join(at.directory, 'content')), ['two']);
  assert.equal((await contentOf(at, 'two')).toString(), 'report');
});

test('leaves alone what waits for an upstream that pauses, until it expires', async () => {
  await using at = await spoolPlace();
  const { expiresAt } = await add(at, 'one', Buffer.alloc(10));
  assert.deepEqual(await at.store.claim(5, [undefined]), []);
  assert.equal(await at.store.nextDueAt([undefined]), expiresAt);
  assert.equal((await at.store.claim(5, ['another'])).length, 1);
});

test('waits for another writer without stopping the process', async () => {
  await using at = await spoolPlace();
  using other = new DatabaseSync(join(at.directory, 'spool.sqlite'));
  other.exec('BEGIN IMMEDIATE');
  const added = add(at, 'one', Buffer.alloc(10));
  await new Promise((resolve) => setTimeout(resolve, 50)); // would take ten seconds if writers blocked
  other.exec('COMMIT');
  assert.equal((await added).id, 'one');
});

test('sweeps content that was promised to nobody, and drafts of the dead', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  await writeFile(join(at.directory, 'content', 'orphan'), 'x');
  const dead = await DraftRoom.open(join(at.directory, 'drafts'));
  await at.store.sweep();
  assert.deepEqual((await readdir(join(at.directory, 'content'))).toSorted(), ['one', 'orphan']);
  await at.store.sweep(-1);
  assert.deepEqual(await readdir(join(at.directory, 'content')), ['one']);
  const drafts = await readdir(join(at.directory, 'drafts'));
  const draft = dead.draft();
  await draft.write([Buffer.alloc(100_000)]);
  const [deads = ''] = await namesWithFiles(join(at.directory, 'drafts'), drafts);
  await utimes(join(at.directory, 'drafts', deads), 1, 1);
  await at.room.sweep();
  assert.equal((await readdir(join(at.directory, 'drafts'))).length, 1);
  await draft.write([Buffer.alloc(100_000)]);
  await assert.rejects(at.store.add({ message: spooled('two', draft.octets), content: draft }), RelayError);
  await dead.close();
  assert.equal((await at.store.measure()).messages, 1);
});

async function namesWithFiles(parent: string, names: readonly string[]): Promise<readonly string[]> {
  const counts = await Promise.all(names.map(async (name) => (await readdir(join(parent, name))).length));
  return names.filter((_, at) => (counts[at] ?? 0) > 0);
}

/** The claims of whoever is dead end now. */
function lapse({ directory }: SpoolPlace, at = 1): void {
  using database = new DatabaseSync(join(directory, 'spool.sqlite'));
  database.prepare('UPDATE messages SET claimed_until = ?').run(at);
}

/** The same spool, as another process has it. */
async function otherStoreOf({
  directory,
}: SpoolPlace): Promise<AsyncDisposable & { readonly store: SqliteStore }> {
  const store = await SqliteStore.open(directory, { maxMessages: 10, maxOctets: 1_000 });
  return { store, [Symbol.asyncDispose]: async (): Promise<void> => store.close() };
}
