/**
 * The spool of one machine: SQLite says what there is, a file for each message holds its content.
 *
 * Guarantees: a row is committed after its content and the name of it are on disk, so that what is in the table is whole,
 * whenever the power fails; a file without a row was never acknowledged, and is swept. Several processes may have it open.
 * However many messages wait, what is done for one of them looks at few.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';

import { RelayError } from '../protocol/failure.ts';
import { syncDirectory } from '../state/atomic-file.ts';
import { makeDirectory } from '../state/make-directory.ts';
import { ContentFiles } from './content-files.ts';
import { pagesOf } from './listing.ts';
import { Fields, messageOf, rowOf, unreadable, unreadableAmong } from './message-row.ts';
import { nameOf, routeOf, type RouteName } from './route-health.ts';
import { spoolError } from './spool-error.ts';
import {
  CLAIM_MS,
  PAGE,
  UNREADABLE_MS,
  type Claim,
  type ClaimOrder,
  type Entry,
  type QueuedMessage,
  type SpoolLimits,
  type SpoolMeasure,
  type SpoolStore,
} from './spool-store.ts';
import { suspected, type SpooledMessage } from './spooled-message.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { INSERT, IS_DUE, IS_FREE, ROUTES, SCHEMA, UPDATE } from './sqlite-schema.ts';

/** A content file younger than this may belong to a message that is being added. */
const ORPHAN_MS = 60_000;

/** What an entry needs beside its content: its row, and the log of the database. */
const ROW_OCTETS = 65_536;

/** Rows that are changed in one go; others have their turn between two. */
const BATCH = 500;

export class SqliteStore implements SpoolStore {
  readonly #database: SqliteDatabase;
  readonly #contents: ContentFiles;
  readonly #limits: SpoolLimits;

  private constructor(database: SqliteDatabase, contents: ContentFiles, limits: SpoolLimits) {
    this.#database = database;
    this.#contents = contents;
    this.#limits = limits;
  }

  /** Makes what is not there. @throws {RelayError} spool */
  static async open(directory: string, limits: SpoolLimits): Promise<SqliteStore> {
    try {
      for (const one of [directory, join(directory, 'content')]) await makeDirectory(one);
      const database = new SqliteDatabase(join(directory, 'spool.sqlite'), SCHEMA);
      const contents = await ContentFiles.open(join(directory, 'content'));
      for (const one of [directory, join(directory, '..')]) await syncDirectory(one);
      return new SqliteStore(database, contents, limits);
    } catch (error) {
      throw spoolError(error);
    }
  }

  async expectRoom(octets: number): Promise<void> {
    this.#database.read((database) => this.#expectWithinLimits(database, octets));
    await this.#contents.expectRoom(octets + ROW_OCTETS);
  }

  async add(entry: Entry): Promise<void> {
    await this.#addNew(entry);
  }

  async hold(entry: Entry): Promise<Claim> {
    const token = randomUUID();
    await this.#addNew(entry, token);
    return { message: entry.message, token };
  }

  async #addNew(entry: Entry, token?: string): Promise<void> {
    await this.#place(entry, (database) => {
      this.#expectWithinLimits(database, entry.message.octets);
      insert(database, entry.message, token);
      return true;
    });
  }

  async routes(): Promise<readonly RouteName[]> {
    return this.#all(ROUTES).map((row) => routeOf(new Fields(row).text('name')));
  }

  async claim({ route, limit, isPaused = false }: ClaimOrder): Promise<readonly Claim[]> {
    const { claims, broken } = await this.#database.write((database) => {
      const now = Date.now();
      const due = database
        .prepare(
          `SELECT * FROM messages WHERE ${IS_DUE} AND ${IS_FREE} ORDER BY next_attempt_at LIMIT :limit`,
        )
        .all({ now, limit, route: nameOf(route), isPaused: Number(isPaused) });
      const none = unreadableAmong(due);
      for (const id of none) leaveAlone(database, id, now + UNREADABLE_MS);
      return { broken: none, claims: none.length > 0 ? [] : due.map((row) => claimOne(database, row, now)) };
    });
    if (broken.length > 0) throw unreadable(broken);
    return claims;
  }

  async renew(claims: readonly Claim[]): Promise<number> {
    return this.#database.write((database) => {
      const until = Date.now() + CLAIM_MS;
      const renewal = database.prepare('UPDATE messages SET claimed_until = ? WHERE id = ? AND claim = ?');
      const renewed = claims.map(({ message, token }) => renewal.run(until, message.id, token).changes);
      return renewed.reduce<number>((sum, count) => sum + Number(count), 0);
    });
  }

  async settle(claim: Claim, after: SpooledMessage | undefined, report?: Entry): Promise<boolean> {
    const { id } = claim.message;
    const end = (database: DatabaseSync): boolean => {
      const ended =
        after === undefined
          ? database.prepare('DELETE FROM messages WHERE id = ? AND claim = ?').run(id, claim.token)
          : database.prepare(UPDATE).run({ ...rowOf(after), claim: claim.token });
      if (ended.changes !== 1) return false;
      if (report !== undefined) insert(database, report.message);
      return true;
    };
    const isSettled = report === undefined ? await this.#database.write(end) : await this.#place(report, end);
    if (isSettled && after === undefined) await this.#contents.discard(id);
    return isSettled;
  }

  content(id: string): AsyncIterable<Buffer> {
    return this.#contents.octets(id);
  }

  list(): AsyncIterable<readonly QueuedMessage[]> {
    const page = 'SELECT * FROM messages WHERE (arrived_at, id) > (?, ?) ORDER BY arrived_at, id LIMIT ?';
    return pagesOf(async ({ arrivedAt, id }) => this.#all(page, arrivedAt, id, PAGE).map(queuedOf));
  }

  async get(id: string): Promise<QueuedMessage | undefined> {
    return this.#all('SELECT * FROM messages WHERE id = ?', id).map(queuedOf)[0];
  }

  async nextDueAt(): Promise<number | undefined> {
    const [row] = this.#all(
      'SELECT min(next_attempt_at) AS due FROM messages WHERE next_attempt_at > ?',
      Date.now(),
    );
    return new Fields(row).maybeNumber('due');
  }

  async retryNow(id?: string): Promise<number> {
    return this.#database.write((database) => {
      const due = database
        .prepare('UPDATE messages SET next_attempt_at = 0 WHERE :id IS NULL OR id = :id')
        .run({ id: id ?? null });
      return Number(due.changes);
    });
  }

  async hopIsBack(route: RouteName): Promise<void> {
    for (let changed = BATCH; changed === BATCH; await turn()) {
      changed = await this.#database.write((database) => {
        const due = database
          .prepare(
            `UPDATE messages SET next_attempt_at = :now, is_hopless = 0 WHERE rowid IN (
               SELECT rowid FROM messages WHERE is_hopless = 1 AND coalesce(route, '') = :route LIMIT :batch)`,
          )
          .run({ now: Date.now(), route: nameOf(route), batch: BATCH });
        return Number(due.changes);
      });
    }
  }

  async remove(id: string): Promise<'removed' | 'claimed' | 'unknown'> {
    const outcome = await this.#database.write((database) => {
      const removed = database
        .prepare(`DELETE FROM messages WHERE id = :id AND ${IS_FREE}`)
        .run({ id, now: Date.now() });
      if (removed.changes === 1) return 'removed';
      const found = database.prepare('SELECT id FROM messages WHERE id = ?').get(id);
      return found === undefined ? 'unknown' : 'claimed';
    });
    if (outcome === 'removed') await this.#contents.discard(id);
    return outcome;
  }

  async measure(): Promise<SpoolMeasure> {
    const [row] = this.#all('SELECT *, (SELECT min(arrived_at) FROM messages) AS oldest FROM totals');
    const totals = new Fields(row);
    return {
      messages: totals.number('messages'),
      octets: totals.number('octets'),
      oldestArrival: totals.maybeNumber('oldest'),
    };
  }

  /**
   * A file is judged and removed under the lock that a message is added under: none that has a row is touched.
   *
   * @param orphanMs how old a file must be
   */
  async sweep(orphanMs = ORPHAN_MS): Promise<void> {
    const old = await this.#contents.olderThan(orphanMs);
    await this.#database.write((database) => {
      const search = database.prepare('SELECT id FROM messages WHERE id = ?');
      for (const id of old) if (search.get(id) === undefined) this.#contents.discardNow(id);
    });
  }

  async close(): Promise<void> {
    this.#database.close();
    await this.#contents.close();
  }

  /** Content first, then what says that it is there. */
  async #place({ message, content }: Entry, change: (database: DatabaseSync) => boolean): Promise<boolean> {
    const { id, kind } = message;
    try {
      // Content beyond that is on the disk already. A report takes the place of what it is about.
      if (kind === 'mail') await this.#contents.expectRoom(ROW_OCTETS);
      await this.#contents.place(id, content);
      const isPlaced = await this.#database.write((database) => {
        const isChanged = change(database);
        if (isChanged && !this.#contents.has(id)) throw new RelayError({ kind: 'spool', reason: 'swept' });
        return isChanged;
      });
      if (!isPlaced) await this.#contents.discard(id);
      return isPlaced;
    } catch (error) {
      content.discard();
      await this.#contents.discard(id);
      throw error;
    }
  }

  #expectWithinLimits(database: DatabaseSync, octets: number): void {
    const { maxMessages, maxOctets } = this.#limits;
    const totals = new Fields(database.prepare('SELECT * FROM totals').get());
    const isFull = totals.number('messages') >= maxMessages || totals.number('octets') + octets > maxOctets;
    if (isFull) throw new RelayError({ kind: 'spool', reason: 'full' });
  }

  #all(question: string, ...values: readonly (string | number)[]): readonly unknown[] {
    return this.#database.read((database) => database.prepare(question).all(...values));
  }
}

/** @param token of the claim that it is born with */
function insert(database: DatabaseSync, message: SpooledMessage, token?: string): void {
  const claim = { claim: token ?? null, claimed_until: token === undefined ? null : Date.now() + CLAIM_MS };
  database.prepare(INSERT).run({ ...rowOf(message), ...claim });
}

function leaveAlone(database: DatabaseSync, id: string, until: number): void {
  database.prepare('UPDATE messages SET next_attempt_at = ? WHERE id = ?').run(until, id);
}

function claimOne(database: DatabaseSync, row: unknown, now: number): Claim {
  const isUnsettled = new Fields(row).maybeText('claim') !== undefined;
  const found = messageOf(row);
  const begun = { ...found, attempts: found.attempts + 1 };
  const message = isUnsettled ? suspected(begun) : begun;
  const { id, attempts, recipients } = rowOf(message);
  const token = randomUUID();
  database
    .prepare('UPDATE messages SET attempts = ?, recipients = ?, claim = ?, claimed_until = ? WHERE id = ?')
    .run(attempts, recipients, token, now + CLAIM_MS, id);
  return { message, token };
}

function queuedOf(row: unknown): QueuedMessage {
  const until = new Fields(row).maybeNumber('claimed_until') ?? 0;
  return { message: messageOf(row), isClaimed: until >= Date.now() };
}
