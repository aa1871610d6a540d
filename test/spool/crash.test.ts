/**
 * What was promised is there, and nothing half, however the process ended: killed at any moment, or out of room.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { DraftRoom } from '../../src/spool/draft-room.ts';
import { SqliteStore } from '../../src/spool/sqlite-store.ts';
import { contentOf, pagesIn } from '../support/spool-place.ts';

const WRITER = fileURLToPath(new URL('../support/spool-writer.ts', import.meta.url));
const ROOMY = { maxMessages: 1_000_000, maxOctets: 1_000_000_000 };
const KILLS = 8;

/** @param killAfter lines; 0 lets it come to its own end @returns what it told, line by line */
async function written(
  directory: string,
  octets: number,
  killAfter: number,
  size?: string,
  then = '',
): Promise<readonly string[]> {
  const node = [process.execPath, WRITER, directory, String(octets), then];
  // A file system of its own, which nobody else sees and which ends with the process.
  const script = `mount -t tmpfs -o size=${size} tmpfs "$1" && shift && "$@"; cp -a "$3" "$0"`;
  const [command = '', ...args] =
    size === undefined
      ? node
      : ['unshare', '-m', 'sh', '-c', script, `${directory}.after`, directory, ...node];
  const writer = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  writer.stdout.on('data', (octetsTold: Buffer) => {
    told += octetsTold.toString();
    if (killAfter > 0 && told.split('\n').length > killAfter) writer.kill('SIGKILL');
  });
  await once(writer, 'close');
  return told.split('\n').slice(0, -1);
}

/** All that was promised is whole, and every message is; what else lies there is swept. */
async function assertWhole(directory: string, promised: readonly string[]): Promise<void> {
  const store = await SqliteStore.open(directory, ROOMY);
  const room = await DraftRoom.open(join(directory, 'drafts'));
  const place = { directory, store, room, [Symbol.asyncDispose]: async (): Promise<void> => store.close() };
  for (const line of promised) {
    const [id = '', digest] = line.split(' ');
    const found = createHash('sha256')
      .update(await contentOf(place, id))
      .digest('hex');
    assert.equal(found, digest, id);
  }
  await store.sweep(-1);
  const messages = (await pagesIn(store)).flat();
  for (const { message } of messages)
    assert.equal((await contentOf(place, message.id)).length, message.octets);
  const files = await readdir(join(directory, 'content'));
  assert.deepEqual(files.toSorted(), messages.map(({ message }) => message.id).toSorted());
  await room.close();
  await store.close();
}

test('has every message that was acknowledged after a kill at any moment, and no half one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-crash-'));
  const promised: string[] = [];
  for (let kill = 1; kill <= KILLS; kill += 1) promised.push(...(await written(directory, 200_000, kill)));
  assert.ok(promised.length >= KILLS, `${promised.length} messages were promised`);
  await assertWhole(directory, promised);
  await rm(directory, { recursive: true });
});

const NEEDS_ROOT = {
  skip: process.getuid?.() === 0 ? false : 'a file system of its own needs root',
} as const;

test('leaves itself room on a disk that it fills to write down what goes out', NEEDS_ROOT, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-full-'));
  const told = await written(directory, 3_000, 0, '3m', 'release');
  assert.deepEqual(told.slice(-2), ['refused ENOSPC', `released ${told.length - 2}`]);
  for (const one of [directory, `${directory}.after`]) await rm(one, { recursive: true });
});

test('refuses what a full disk has no room for, and keeps what it has promised', NEEDS_ROOT, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-full-'));
  const told = await written(directory, 200_000, 0, '2m');
  assert.equal(told.at(-1), 'refused ENOSPC');
  await assertWhole(`${directory}.after`, told.slice(0, -1));
  for (const one of [directory, `${directory}.after`]) await rm(one, { recursive: true });
});
