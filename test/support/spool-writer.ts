/**
 * A process that fills a spool and tells of each message that it was promised, until it is killed or the spool says no:
 * `node spool-writer.ts DIRECTORY OCTETS [release]`. With `release`
 * behind that it then lets go of all messages, as when they are delivered, and tells how many those were.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { join } from 'node:path';

import { newId } from '../../src/log/id.ts';
import { RelayError } from '../../src/protocol/failure.ts';
import { DraftRoom } from '../../src/spool/draft-room.ts';
import { SqliteStore } from '../../src/spool/sqlite-store.ts';
import { spooled } from './spool-place.ts';

const [directory = '', octets = '', then] = process.argv.slice(2);
const store = await SqliteStore.open(directory, { maxMessages: 1_000_000, maxOctets: 1_000_000_000_000 });
const room = await DraftRoom.open(join(directory, 'drafts'));

async function addOne(): Promise<void> {
  const content = randomBytes(Math.ceil(Math.random() * Number(octets)));
  const id = newId();
  const draft = room.draft();
  await draft.write([content]);
  await store.add({ message: spooled(id, draft.octets), content: draft });
  writeSync(1, `${id} ${createHash('sha256').update(content).digest('hex')}\n`);
}

try {
  for (;;) await Promise.all([addOne(), addOne(), addOne()]);
} catch (error) {
  if (!(error instanceof RelayError) || error.failure.kind !== 'spool') throw error;
  writeSync(1, `refused ${error.failure.reason}\n`);
}

if (then !== 'release') process.exit(0);
let released = 0;
const some = { route: undefined, limit: 10 };
for (let claims = await store.claim(some); claims.length > 0; claims = await store.claim(some)) {
  for (const claim of claims) if (await store.settle(claim, undefined)) released += 1;
}
writeSync(1, `released ${released}\n`);
process.exit(0);
