/**
 * What the disk or the database says, as a failure.
 */
import { DatabaseError } from '../database/database-error.ts';
import { errorCode } from '../protocol/error-code.ts';
import { RelayError } from '../protocol/failure.ts';

/** SQLite's primary result codes (sqlite3.h), in the system's words for the same. */
const SQLITE_REASONS: ReadonlyMap<number, string> = new Map([
  [5, 'EBUSY'],
  [8, 'EROFS'],
  [10, 'EIO'],
  [11, 'its database is damaged'],
  [13, 'ENOSPC'],
  [26, 'its database is damaged'],
]);

/** @returns a RelayError of kind `spool`; the same error where it is one already, or a mistake of ours */
export function spoolError(error: unknown): unknown {
  if (error instanceof DatabaseError)
    return new RelayError({ kind: 'spool', reason: error.reason }, { cause: error });
  const code = errorCode(error);
  if (code === undefined) return error;
  const result = sqliteCode(error);
  const reason = result === undefined ? code : (SQLITE_REASONS.get(result) ?? `SQLITE-${result}`);
  return new RelayError({ kind: 'spool', reason }, { cause: error });
}

/** The same for a message that may be delivered all the same. */
export function inDoubt(error: unknown): unknown {
  if (!(error instanceof RelayError) || error.failure.kind !== 'spool') return error;
  return new RelayError({ ...error.failure, mayBeDelivered: true }, { cause: error });
}

/** The primary result code; undefined for an error that is not SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
