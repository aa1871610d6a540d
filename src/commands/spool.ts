/**
 * From the settings to a spool.
 */
import { join } from 'node:path';

import type { Problem } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import type { SpoolValues } from '../config/spool-variables.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { Reply } from '../protocol/reply.ts';
import { failureReply } from '../relay/failure-reply.ts';
import { DraftRoom } from '../spool/draft-room.ts';
import type { RunnerSurroundings } from '../spool/runner.ts';
import type { SpoolStore } from '../spool/spool-store.ts';
import { Spool } from '../spool/spool.ts';
import { SqliteStore } from '../spool/sqlite-store.ts';
import type { HopLimits } from '../upstream/habits.ts';

/** At once: what was kept has time. */
const MAX_ATTEMPTS = 10;

/** Where messages lie, and where drafts do. */
export interface SpoolStorage {
  readonly store: SpoolStore;
  readonly room: DraftRoom;
}

/** @returns undefined when there is none @throws {RelayError} spool */
export async function openStore({
  spool,
  spoolMaxOctets: maxOctets,
  spoolMaxMessages: maxMessages,
}: SpoolValues): Promise<SpoolStore | undefined> {
  if (spool.kind === 'off') return undefined;
  return SqliteStore.open(spool.directory, { maxOctets, maxMessages });
}

/** @throws {RelayError} spool */
export async function openStorage(settings: Settings): Promise<SpoolStorage | undefined> {
  const store = await openStore(settings);
  if (store === undefined || settings.spool.kind === 'off') return undefined;
  // Beside the messages: a draft that stays becomes one by a rename.
  return { store, room: await DraftRoom.open(join(settings.spool.directory, 'drafts')) };
}

/** @param around what it shares with the clients; they go first: it has no more than a quarter of the hops */
export function spoolOf(
  storage: SpoolStorage,
  { hostname, requireTls, spoolExpiryMs: expiryMs }: Settings,
  { limits, ...around }: Pick<RunnerSurroundings, 'pool' | 'log' | 'routes'> & { readonly limits: HopLimits },
): Spool {
  const maxAttempts = Math.max(1, Math.min(MAX_ATTEMPTS, Math.floor(limits.max / 4)));
  return new Spool({ ...storage, ...around, hostname, requireTls, expiryMs, maxAttempts, replyTo });
}

/** What waits in the spool can wait for TLS too. */
function replyTo(failure: Failure): Reply {
  return failureReply(failure, 'temporary');
}

/** What is wrong with the spool now, before anything depends on it. */
export async function spoolProblems(settings: Settings): Promise<readonly Problem[]> {
  try {
    const storage = await openStorage(settings);
    await storage?.room.close();
    await storage?.store.close();
    return [];
  } catch (error) {
    if (!(error instanceof RelayError) || error.failure.kind !== 'spool') throw error;
    return [{ variable: 'SEALPOST_SPOOL', text: `cannot be used (${error.failure.reason})` }];
  }
}
