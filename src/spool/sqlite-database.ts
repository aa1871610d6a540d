/**
 * One SQLite file that several processes have open.
 *
 * Guarantees: what a write has committed is on disk (synchronous=FULL); writers wait for each other without stopping their
 * process; the file is readable by its owner only, whatever its directory allows.
 */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

import { spoolError, sqliteCode } from './spool-error.ts';

/** How long a writer waits for the others, in all and between two tries. */
const BUSY_MS = 10_000;
const BUSY_POLL_MS = 10;
const SQLITE_BUSY = 5;

/** Pages that its log grows to before they are written back: less than what the disk keeps in reserve. */
const LOG_PAGES = 100;

export class SqliteDatabase {
  readonly #database: DatabaseSync;

  /** Makes what is not there. */
  constructor(path: string, schema: string) {
    closeSync(openSync(path, 'a', 0o600)); // SQLite would let others read it; its other files are as this one
    this.#database = new DatabaseSync(path, { timeout: BUSY_MS });
    this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${schema}`);
    this.#database.exec(`PRAGMA wal_autocheckpoint = ${LOG_PAGES}`);
    this.#database.exec('PRAGMA busy_timeout = 0');
  }

  /** @throws {RelayError} spool */
  read<T>(question: (database: DatabaseSync) => T): T {
    try {
      return question(this.#database);
    } catch (error) {
      throw spoolError(error);
    }
  }

  /** One transaction; waits while another process has its own. @throws {RelayError} spool, and nothing is changed */
  async write<T>(action: (database: DatabaseSync) => T): Promise<T> {
    const end = performance.now() + BUSY_MS;
    while (!this.#begin(performance.now() < end)) await delay(BUSY_POLL_MS);
    try {
      const result = action(this.#database);
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw spoolError(error);
    }
  }

  close(): void {
    this.#database.close();
  }

  /** @returns false while it is another's turn */
  #begin(mayWait: boolean): boolean {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      return true;
    } catch (error) {
      if (mayWait && sqliteCode(error) === SQLITE_BUSY) return false;
      throw spoolError(error);
    }
  }
}
