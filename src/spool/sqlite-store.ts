/**
 * The spool of one machine: SQLite says what there is, a file for each message holds its content.
 *
 * Guarantees: a row is committed (synchronous=FULL) after its content and the name of it are on disk, so that what is in
 * the table is whole, whenever the power fails; a file without a row was never acknowledged, and is swept.
 * Several processes may have it open. Writers wait for each other without stopping their process.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream, existsSync, unlinkSync } from 'node:fs';
import { open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

import { RelayError } from '../protocol/failure.ts';
import { syncDirectory } from '../state/atomic-file.ts';
import { makeDirectory } from '../state/make-directory.ts';
import { Fields, messageOf, rowOf, type MessageRow } from './message-row.ts';
import type { RouteName } from './route-health.ts';
import { spoolError, sqliteCode } from './spool-error.ts';
import {
  CLAIM_MS,
  type Claim,
  type Entry,
  type QueuedMessage,
  type SpoolLimits,
  type SpoolMeasure,
  type SpoolStore,
} from './spool-store.ts';
import { suspected, type SpooledMessage } from './spooled-message.ts';

/** How long a writer waits for the others, in all and between two tries. */
const BUSY_MS = 10_000;
const BUSY_POLL_MS = 10;
const SQLITE_BUSY = 5;

/** A content file younger than this may belong to a message that is being added. */
const ORPHAN_MS = 60_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    route TEXT,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    octets INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    is_hopless INTEGER NOT NULL,
    is_delay_told INTEGER NOT NULL,
    claim TEXT,
    claimed_until INTEGER
  ) STRICT;
  CREATE INDEX IF NOT EXISTS due ON messages (next_attempt_at);
`;

const INSERT = `
  INSERT INTO messages (id, kind, route, sender, recipients, octets, arrived_at, expires_at, next_attempt_at, attempts,
    is_hopless, is_delay_told)
  VALUES (:id, :kind, :route, :sender, :recipients, :octets, :arrived_at, :expires_at, :next_attempt_at, :attempts,
    :is_hopless, :is_delay_told)`;

const UPDATE = `
  UPDATE messages SET kind = :kind, route = :route, sender = :sender, recipients = :recipients, octets = :octets,
    arrived_at = :arrived_at, expires_at = :expires_at, next_attempt_at = :next_attempt_at, attempts = :attempts,
    is_hopless = :is_hopless, is_delay_told = :is_delay_told, claim = NULL, claimed_until = NULL
  WHERE id = :id AND claim = :claim`;

/** What waits for an upstream that pauses is due when it expires, or when the operator says so. */
const DUE_AT = `
  CASE WHEN next_attempt_at > 0 AND coalesce(route, '') IN (SELECT value FROM json_each(:paused))
  THEN expires_at ELSE next_attempt_at END`;

const IS_FREE = '(claimed_until IS NULL OR claimed_until < :now)';

export class SqliteStore implements SpoolStore {
  readonly #database: DatabaseSync;
  readonly #directory: string;
  /** To sync it. */
  readonly #contents: FileHandle;
  readonly #limits: SpoolLimits;

  private constructor(database: DatabaseSync, directory: string, contents: FileHandle, limits: SpoolLimits) {
    this.#database = database;
    this.#directory = directory;
    this.#contents = contents;
    this.#limits = limits;
  }

  /** Makes what is not there. @throws {RelayError} spool */
  static async open(directory: string, limits: SpoolLimits): Promise<SqliteStore> {
    try {
      for (const one of [directory, join(directory, 'content')]) await makeDirectory(one);
      const database = new DatabaseSync(join(directory, 'spool.sqlite'), { timeout: BUSY_MS });
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${SCHEMA}`);
      database.exec('PRAGMA busy_timeout = 0');
      const contents = await open(join(directory, 'content'));
      for (const one of [directory, join(directory, '..')]) await syncDirectory(one);
      return new SqliteStore(database, directory, contents, limits);
    } catch (error) {
      throw spoolError(error);
    }
  }

  async add(entry: Entry): Promise<void> {
    await this.#place(entry, () => {
      this.#expectRoom(entry.message);
      this.#insert(entry.message);
      return true;
    });
  }

  async claim(limit: number, paused: readonly RouteName[]): Promise<readonly Claim[]> {
    return this.#write(() => {
      const now = Date.now();
      const due = this.#database
        .prepare(
          `SELECT * FROM messages WHERE ${DUE_AT} <= :now AND ${IS_FREE} ORDER BY next_attempt_at LIMIT :limit`,
        )
        .all({ now, limit, paused: pausedList(paused) });
      return due.map((row) => this.#claimOne(row, now));
    });
  }

  #claimOne(row: unknown, now: number): Claim {
    const isUnsettled = new Fields(row).maybeText('claim') !== undefined;
    const found = messageOf(row);
    const begun = { ...found, attempts: found.attempts + 1 };
    const message = isUnsettled ? suspected(begun) : begun;
    const { id, attempts, recipients } = rowOf(message);
    const token = randomUUID();
    this.#database
      .prepare('UPDATE messages SET attempts = ?, recipients = ?, claim = ?, claimed_until = ? WHERE id = ?')
      .run(attempts, recipients, token, now + CLAIM_MS, id);
    return { message, token };
  }

  async renew(claims: readonly Claim[]): Promise<void> {
    await this.#write(() => {
      const now = Date.now();
      const renewal = this.#database.prepare(
        'UPDATE messages SET claimed_until = ? WHERE id = ? AND claim = ? AND claimed_until >= ?',
      );
      for (const { message, token } of claims) renewal.run(now + CLAIM_MS, message.id, token, now);
    });
  }

  async settle(claim: Claim, after: SpooledMessage | undefined, report?: Entry): Promise<boolean> {
    const { id } = claim.message;
    const end = (): boolean => {
      const ended =
        after === undefined
          ? this.#database.prepare('DELETE FROM messages WHERE id = ? AND claim = ?').run(id, claim.token)
          : this.#database.prepare(UPDATE).run({ ...rowOf(after), claim: claim.token });
      if (ended.changes !== 1) return false;
      if (report !== undefined) this.#insert(report.message);
      return true;
    };
    const isSettled = report === undefined ? await this.#write(end) : await this.#place(report, end);
    if (isSettled && after === undefined) await this.#discardContent(id);
    return isSettled;
  }

  async *content(id: string): AsyncGenerator<Buffer> {
    try {
      yield* createReadStream(this.#path(id));
    } catch (error) {
      throw spoolError(error);
    }
  }

  async list(): Promise<readonly QueuedMessage[]> {
    const rows = this.#database.prepare('SELECT * FROM messages ORDER BY arrived_at, id').all();
    return rows.map(queuedOf);
  }

  async get(id: string): Promise<QueuedMessage | undefined> {
    const row = this.#database.prepare('SELECT * FROM messages WHERE id = ?').get(id);
    return row === undefined ? undefined : queuedOf(row);
  }

  async nextDueAt(paused: readonly RouteName[]): Promise<number | undefined> {
    const row = this.#database
      .prepare(`SELECT min(max(${DUE_AT}, coalesce(claimed_until, 0))) AS due FROM messages`)
      .get({ paused: pausedList(paused) });
    return new Fields(row).maybeNumber('due');
  }

  async retryNow(id?: string): Promise<number> {
    return this.#write(() => {
      const due = this.#database
        .prepare('UPDATE messages SET next_attempt_at = 0 WHERE :id IS NULL OR id = :id')
        .run({ id: id ?? null });
      return Number(due.changes);
    });
  }

  async hopIsBack(route: RouteName): Promise<void> {
    await this.#write(() => {
      this.#database
        .prepare(
          'UPDATE messages SET next_attempt_at = :now, is_hopless = 0 WHERE is_hopless = 1 AND route IS :route',
        )
        .run({ now: Date.now(), route: route ?? null });
    });
  }

  async remove(id: string): Promise<'removed' | 'claimed' | 'unknown'> {
    const outcome = await this.#write(() => {
      const removed = this.#database
        .prepare(`DELETE FROM messages WHERE id = :id AND ${IS_FREE}`)
        .run({ id, now: Date.now() });
      if (removed.changes === 1) return 'removed';
      const found = this.#database.prepare('SELECT id FROM messages WHERE id = ?').get(id);
      return found === undefined ? 'unknown' : 'claimed';
    });
    if (outcome === 'removed') await this.#discardContent(id);
    return outcome;
  }

  async measure(): Promise<SpoolMeasure> {
    const row = new Fields(
      this.#database
        .prepare(
          'SELECT count(*) AS messages, total(octets) AS octets, min(arrived_at) AS oldest FROM messages',
        )
        .get(),
    );
    return {
      messages: row.number('messages'),
      octets: row.number('octets'),
      oldestArrival: row.maybeNumber('oldest'),
    };
  }

  /**
   * A file is judged and removed under the lock that a message is added under: none that has a row is touched.
   *
   * @param orphanMs how old a file must be
   */
  async sweep(orphanMs = ORPHAN_MS): Promise<void> {
    const old: string[] = [];
    for (const name of await readdir(join(this.#directory, 'content'))) {
      const found = await stat(this.#path(name)).catch(() => undefined); // delivered meanwhile
      if (found !== undefined && found.ctimeMs <= Date.now() - orphanMs) old.push(name);
    }
    await this.#write(() => {
      const search = this.#database.prepare('SELECT id FROM messages WHERE id = ?');
      for (const name of old) if (search.get(name) === undefined) unlinkSync(this.#path(name));
    });
  }

  async close(): Promise<void> {
    this.#database.close();
    await this.#contents.close();
  }

  /** Content first, then what says that it is there. */
  async #place({ message, content }: Entry, insert: () => boolean): Promise<boolean> {
    const path = this.#path(message.id);
    try {
      await content.moveTo(path);
      await this.#contents.sync();
      const isPlaced = await this.#write(() => {
        const isInserted = insert();
        if (isInserted && !existsSync(path)) throw new RelayError({ kind: 'spool', reason: 'swept' });
        return isInserted;
      });
      if (!isPlaced) await this.#discardContent(message.id);
      return isPlaced;
    } catch (error) {
      content.discard();
      await this.#discardContent(message.id);
      throw spoolError(error);
    }
  }

  #insert(message: SpooledMessage): void {
    const row: MessageRow = rowOf(message);
    this.#database.prepare(INSERT).run(row);
  }

  #expectRoom({ octets }: SpooledMessage): void {
    const { maxMessages, maxOctets } = this.#limits;
    const row = new Fields(
      this.#database.prepare('SELECT count(*) AS messages, total(octets) AS octets FROM messages').get(),
    );
    const isFull = row.number('messages') >= maxMessages || row.number('octets') + octets > maxOctets;
    if (isFull) throw new RelayError({ kind: 'spool', reason: 'full' });
  }

  /** One transaction; waits while another process has its own. */
  async #write<T>(action: () => T): Promise<T> {
    const end = performance.now() + BUSY_MS;
    while (!this.#begin(performance.now() < end)) await delay(BUSY_POLL_MS);
    try {
      const result = action();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw spoolError(error);
    }
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

  #path(id: string): string {
    return join(this.#directory, 'content', id);
  }

  async #discardContent(id: string): Promise<void> {
    await unlink(this.#path(id)).catch(() => undefined); // it is swept later
  }
}

/** A JSON list, '' for the upstream without a name. */
function pausedList(paused: readonly RouteName[]): string {
  return JSON.stringify(paused.map((route) => route ?? ''));
}

function queuedOf(row: unknown): QueuedMessage {
  const until = new Fields(row).maybeNumber('claimed_until') ?? 0;
  return { message: messageOf(row), isClaimed: until >= Date.now() };
}
