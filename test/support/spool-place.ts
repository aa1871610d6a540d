/**
 * A spool in a directory of its own, without a relay.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { PathArgument } from '../../src/protocol/path.ts';
import { DraftRoom } from '../../src/spool/draft-room.ts';
import type { QueuedMessage, SpoolLimits, SpoolStore } from '../../src/spool/spool-store.ts';
import type { SpooledMessage } from '../../src/spool/spooled-message.ts';
import { SqliteStore } from '../../src/spool/sqlite-store.ts';

export const ROOMY: SpoolLimits = { maxMessages: 1_000, maxOctets: 1_000_000_000 };

/** A store, and where the drafts for it lie. */
export interface StoreAndRoom {
  readonly store: SpoolStore;
  readonly room: DraftRoom;
}

export interface SpoolPlace extends StoreAndRoom, AsyncDisposable {
  readonly directory: string;
  readonly store: SqliteStore;
}

export async function spoolPlace(limits = ROOMY): Promise<SpoolPlace> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-spool-'));
  const store = await SqliteStore.open(directory, limits);
  const room = await DraftRoom.open(join(directory, 'drafts'));
  return {
    directory,
    store,
    room,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await room.close();
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

export function plainPath(path: string): PathArgument {
  return { path, parameters: [], isInternational: false };
}

export function spooled(id: string, octets: number): SpooledMessage {
  const lastWord = { reply: { code: 451, lines: ['4.4.1 Not reached.'] }, isUpstreams: false };
  return {
    id,
    kind: 'mail',
    route: undefined,
    sender: plainPath('<a@x.test>'),
    recipients: [{ argument: plainPath('<b@y.test>'), state: 'waiting', lastWord, mayHaveIt: false }],
    octets,
    arrivedAt: Date.now(),
    expiresAt: Date.now() + 1_000_000,
    nextAttemptAt: Date.now(),
    attempts: 0,
    isHopless: true,
    isDelayTold: false,
  };
}

export async function add(
  { store, room }: StoreAndRoom,
  id: string,
  content: Buffer,
): Promise<SpooledMessage> {
  const draft = room.draft();
  await draft.write([content]);
  const added = spooled(id, draft.octets);
  await store.add({ message: added, content: draft });
  return added;
}

export async function contentOf({ store }: Pick<StoreAndRoom, 'store'>, id: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of store.content(id)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** All messages of a store, as many at a time as it lists. */
export async function pagesIn(store: SpoolStore): Promise<readonly (readonly QueuedMessage[])[]> {
  const pages: (readonly QueuedMessage[])[] = [];
  for await (const page of store.list()) pages.push(page);
  return pages;
}
