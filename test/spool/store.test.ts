/**
 * What the store of spooled messages promises, on real files.
 */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { RelayError } from '../../src/protocol/failure.ts';
import { DraftRoom } from '../../src/spool/draft-room.ts';
import { SqliteStore } from '../../src/spool/sqlite-store.ts';
import { assertListed, copiesOf } from '../support/many-messages.ts';
import {
  add,
  contentOf,
  pagesIn,
  ROOMY,
  spooled,
  spoolPlace,
  type SpoolPlace,
} from '../support/spool-place.ts';

function isSpool(reason: string) {
  return (error: unknown): boolean =>
    error instanceof RelayError && error.failure.kind === 'spool' && error.failure.reason === reason;
}

const isFull = isSpool('full');

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
  const [first] = await at.store.claim({ route: undefined, limit: 5 });
  assert.ok(first !== undefined);
  assert.equal(first.message.attempts, 1);
  assert.deepEqual(await other.store.claim({ route: undefined, limit: 5 }), []);
  lapse(at);
  const [second] = await other.store.claim({ route: undefined, limit: 5 });
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
  const [claim] = await at.store.claim({ route: undefined, limit: 5 });
  assert.ok(claim !== undefined);
  lapse(at, Date.now() + 100);
  await at.store.renew([claim]);
  await new Promise((resolve) => setTimeout(resolve, 101));
  assert.deepEqual(await at.store.claim({ route: undefined, limit: 5 }), []);
});

test('renews a claim that has ended, unless another has the message', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  const [claim] = await at.store.claim({ route: undefined, limit: 5 });
  assert.ok(claim !== undefined);
  lapse(at);
  assert.equal(await at.store.renew([claim]), 1);
  assert.deepEqual(await at.store.claim({ route: undefined, limit: 5 }), []);
  lapse(at);
  assert.equal((await at.store.claim({ route: undefined, limit: 5 })).length, 1);
  assert.equal(await at.store.renew([claim]), 0);
});

test('tells of a message that it cannot read, and gives out the others', async () => {
  await using at = await spoolPlace();
  for (const id of ['bad', 'good']) await add(at, id, Buffer.alloc(10));
  using database = new DatabaseSync(join(at.directory, 'spool.sqlite'));
  database.exec(`UPDATE messages SET recipients = 'nonsense' WHERE id = 'bad'`);
  await assert.rejects(at.store.claim({ route: undefined, limit: 5 }), isSpool('unreadable bad'));
  assert.deepEqual(
    (await at.store.claim({ route: undefined, limit: 5 })).map(({ message }) => message.id),
    ['good'],
  );
  await assert.rejects(pagesIn(at.store), isSpool('unreadable bad'));
  assert.equal(await at.store.remove('bad'), 'removed');
});

test('gives out a message again whose claim is from before the clock was set back', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  await at.store.claim({ route: undefined, limit: 5 });
  lapse(at, Date.now() + 3_600_000);
  assert.equal((await at.store.claim({ route: undefined, limit: 5 })).length, 1);
});

test('lets nobody else read it, whatever its directory allows', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-spool-'));
  await chmod(directory, 0o755);
  const store = await SqliteStore.open(directory, ROOMY);
  for (const name of await readdir(directory)) {
    const { mode } = await stat(join(directory, name));
    assert.equal(mode & 0o077, 0, name);
  }
  await store.close();
  await rm(directory, { recursive: true });
});

test('writes down a result and the report on it together, or neither', async () => {
  await using at = await spoolPlace();
  await add(at, 'one', Buffer.alloc(10));
  const [claim] = await at.store.claim({ route: undefined, limit: 5 });
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
  await add(at, 'one', Buffer.alloc(10));
  await add(at, 'old', Buffer.alloc(10));
  using database = new DatabaseSync(join(at.directory, 'spool.sqlite'));
  database.exec(`UPDATE messages SET expires_at = 1 WHERE id = 'old'`);
  const claimed = async (isPaused: boolean): Promise<readonly string[]> =>
    (await at.store.claim({ route: undefined, limit: 5, isPaused })).map(({ message }) => message.id);
  assert.deepEqual(await claimed(true), ['old']);
  assert.deepEqual(await claimed(false), ['one']);
});

test('lists all messages in the order of arrival, some at a time', async () => {
  await using at = await spoolPlace({ maxMessages: Infinity, maxOctets: Infinity });
  await add(at, 'm0', Buffer.alloc(1));
  using database = new DatabaseSync(join(at.directory, 'spool.sqlite'));
  database.exec(copiesOf('messages'));
  assertListed(await pagesIn(at.store));
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
  const next = dead.draft(); // it was only asleep
  await next.write([Buffer.alloc(100_000)]);
  await at.store.add({ message: spooled('two', next.octets), content: next });
  await dead.close();
  assert.equal((await at.store.measure()).messages, 2);
});

test('closes where drafts cannot be removed any more, and leaves them to be swept', async () => {
  await using at = await spoolPlace();
  const parent = join(at.directory, 'elsewhere');
  const room = await DraftRoom.open(parent);
  await rm(parent, { recursive: true });
  await writeFile(parent, 'no directory');
  await room.close();
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
