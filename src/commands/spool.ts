/**
 * From the settings to a spool.
 */
import { join } from 'node:path';

import { SharedCaps } from '../caps/shared-caps.ts';
import { forgetForeignDatabase, forgetForeignTrust, type Problem } from '../config/environment.ts';
import type { Settings, SpoolSettings } from '../config/settings.ts';
import { DatabaseError } from '../database/database-error.ts';
import type { DatabasePlace } from '../database/database-place.ts';
import { Database } from '../database/database.ts';
import type { Log } from '../log/log.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { Reply } from '../protocol/reply.ts';
import { failureReply } from '../relay/failure-reply.ts';
import { DraftRoom } from '../spool/draft-room.ts';
import { PostgresStore } from '../spool/postgres-store.ts';
import type { RunnerSurroundings } from '../spool/runner.ts';
import type { SpoolStore } from '../spool/spool-store.ts';
import { Spool } from '../spool/spool.ts';
import { SqliteStore } from '../spool/sqlite-store.ts';
import type { TrustOptions } from '../tls/trust.ts';

/** Where messages lie, and where drafts do. */
export interface SpoolStorage {
  readonly store: SpoolStore;
  readonly room: DraftRoom;
}

/** @returns undefined when there is none @throws {RelayError} spool */
export async function openStore({
  spool,
  trust,
  spoolMaxOctets: maxOctets,
  spoolMaxMessages: maxMessages,
}: SpoolSettings): Promise<SpoolStore | undefined> {
  const limits = { maxOctets, maxMessages };
  switch (spool.kind) {
    case 'off':
      return undefined;
    case 'directory':
      return SqliteStore.open(spool.directory, limits);
    case 'database':
      return new PostgresStore(databaseAt(spool.place, trust), limits);
  }
}

/** @returns undefined for a relay that shares no database with others */
export function sharedCapsOf({ spool, trust }: Settings, log: Log): SharedCaps | undefined {
  return spool.kind === 'database' ? new SharedCaps(databaseAt(spool.place, trust), log) : undefined;
}

function databaseAt(place: DatabasePlace, trust: TrustOptions): Database {
  forgetForeignTrust();
  forgetForeignDatabase();
  return new Database(place, trust);
}

/** @throws {RelayError} spool */
export async function openStorage(settings: Settings): Promise<SpoolStorage | undefined> {
  const store = await openStore(settings);
  if (store === undefined) return undefined;
  return { store, room: await DraftRoom.open(join(draftParent(settings), 'drafts')) };
}

/** Beside messages that are files: a draft that stays becomes one by a rename. */
function draftParent({ spool, stateDirectory }: Settings): string {
  return spool.kind === 'directory' ? spool.directory : stateDirectory;
}

/** @param around what it shares with the clients */
export function spoolOf(
  storage: SpoolStorage,
  { hostname, requireTls, spoolExpiryMs: expiryMs }: Settings,
  around: Pick<RunnerSurroundings, 'pool' | 'log' | 'routes'>,
): Spool {
  return new Spool({ ...storage, ...around, hostname, requireTls, expiryMs, replyTo });
}

/** What waits in the spool can wait for TLS too. */
function replyTo(failure: Failure): Reply {
  return failureReply(failure, 'temporary');
}

/** What is wrong with the spool now, before anything depends on it. A database that is away comes back. */
export async function spoolProblems(settings: Settings): Promise<readonly Problem[]> {
  const storage: Partial<SpoolStorage> = {};
  try {
    Object.assign(storage, await openStorage(settings));
    await storage.store?.measure();
    return [];
  } catch (error) {
    if (!(error instanceof RelayError) || error.failure.kind !== 'spool') throw error;
    const fault = error.cause instanceof DatabaseError ? error.cause.fault : 'refused';
    if (fault === 'away') return [];
    return [{ variable: 'SEALPOST_SPOOL', text: `${FAULTS[fault]} (${error.failure.reason})` }];
  } finally {
    await storage.room?.close();
    await storage.store?.close();
  }
}

const FAULTS = {
  insecure:
    "should name a database whose server proves its name inside TLS; SEALPOST_TLS_CA_FILE names an authority that is not the system's",
  login: 'names a database that does not let us in',
  refused: 'cannot be used',
} as const;
