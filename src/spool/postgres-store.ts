/**
 * The spool of any number of relays: rows of a PostgreSQL database, the content in pieces beside them.
 *
 * Guarantees: a message is there with all of its content once its transaction is committed, and not at all before; of all
 * relays one has its claim (`FOR UPDATE SKIP LOCKED`: nobody waits for another's), for as long as the database's clock
 * says. No more than a piece of a message is in memory.
 */
import { randomUUID } from 'node:crypto';

import { migrate } from '../database/migrate.ts';
import type { Database, Query } from '../database/database.ts';
import { pieces } from '../protocol/pieces.ts';
import { RelayError } from '../protocol/failure.ts';
import { isCommitInDoubt, whenBack } from './commit-doubt.ts';
import { pagesOf } from './listing.ts';
import { Fields, messageOf, rowOf, unreadable, unreadableAmong } from './message-row.ts';
import {
  CLAIM,
  CLAIM_END,
  CLAIM_NEW,
  COLUMNS,
  INSERT,
  IS_CLAIMED,
  NOW,
  PAGE_AFTER,
  ROUTES,
  SPOOL_PART,
  SPOOL_SCHEMA,
  UPDATE,
} from './postgres-schema.ts';
import { nameOf, routeOf, type RouteName } from './route-health.ts';
import { inDoubt, spoolError } from './spool-error.ts';
import {
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

const PIECE_OCTETS = 131_072;

export class PostgresStore implements SpoolStore {
  readonly #database: Database;
  readonly #limits: SpoolLimits;
  #migrated: Promise<void> | undefined;

  /** Owns the database, and asks it for nothing yet. */
  constructor(database: Database, limits: SpoolLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async expectRoom(octets: number): Promise<void> {
    await this.#expectRoom(this.#query, octets);
  }

  async add(entry: Entry): Promise<void> {
    await this.#add(entry);
  }

  async hold(entry: Entry): Promise<Claim> {
    const token = randomUUID();
    await this.#add(entry, token);
    return { message: entry.message, token };
  }

  /** @param token of the claim that it is born with */
  async #add(entry: Entry, token?: string): Promise<void> {
    try {
      await this.#transaction(async (query) => {
        await this.#expectRoom(query, entry.message.octets);
        await insert(query, entry);
        if (token !== undefined) await query(CLAIM_NEW, [entry.message.id, token]);
      });
    } catch (error) {
      if (!isCommitInDoubt(error)) throw error;
      if ((await this.#isThere(entry.message.id, token)) !== true) throw inDoubt(error);
    } finally {
      entry.content.discard();
    }
  }

  async routes(): Promise<readonly RouteName[]> {
    const { rows } = await this.#query(ROUTES);
    return rows.map((row) => routeOf(new Fields(row).text('name')));
  }

  async claim({ route, limit, isPaused = false }: ClaimOrder): Promise<readonly Claim[]> {
    const { rows } = await this.#query(CLAIM, [nameOf(route), limit, isPaused]);
    const broken = unreadableAmong(rows);
    if (broken.length === 0)
      return rows.map(claimOf).toSorted((a, b) => a.message.nextAttemptAt - b.message.nextAttemptAt);
    await this.#letGo(rows, broken);
    throw unreadable(broken);
  }

  /** As if they had not been claimed; those that are broken are left alone for a while. */
  async #letGo(rows: readonly unknown[], broken: readonly string[]): Promise<void> {
    const unsettled = rows.filter((row) => new Fields(row).flag('is_unsettled'));
    await this.#query(
      `UPDATE sealpost.messages SET attempts = attempts - 1,
         claim = CASE WHEN id = ANY ($2::text[]) THEN claim END,
         claimed_until = CASE WHEN id = ANY ($2::text[]) THEN clock_timestamp() END,
         next_attempt_at = CASE WHEN id = ANY ($3::text[]) THEN ${NOW} + ${UNREADABLE_MS} ELSE next_attempt_at END
       WHERE claim = ANY ($1::text[])`,
      [textsOf('claim', rows), textsOf('id', unsettled), broken],
    );
  }

  async renew(claims: readonly Claim[]): Promise<number> {
    const { count } = await this.#query(
      `UPDATE sealpost.messages SET claimed_until = ${CLAIM_END} WHERE claim = ANY ($1::text[])`,
      [claims.map(({ token }) => token)],
    );
    return count;
  }

  async settle(claim: Claim, after: SpooledMessage | undefined, report?: Entry): Promise<boolean> {
    try {
      return await this.#transaction(async (query) => {
        const ended =
          after === undefined
            ? query('DELETE FROM sealpost.messages WHERE id = $1 AND claim = $2', [
                claim.message.id,
                claim.token,
              ])
            : query(UPDATE, [...valuesOf(after), claim.token]);
        const isSettled = (await ended).count === 1;
        if (isSettled && report !== undefined) await insert(query, report);
        return isSettled;
      });
    } catch (error) {
      // Nobody else ends our claim while we wait for the answer.
      const isSettled =
        isCommitInDoubt(error) && (await this.#isThere(claim.message.id, claim.token)) === false;
      if (!isSettled) throw error;
      return true;
    } finally {
      report?.content.discard();
    }
  }

  async *content(id: string): AsyncGenerator<Buffer> {
    let left: number | undefined;
    for (let number = 0; left === undefined || left > 0; number += 1) {
      const { rows } = await this.#query(
        `SELECT message.octets AS whole, content.octets AS piece FROM sealpost.messages AS message
         LEFT JOIN sealpost.contents AS content ON content.message = message.id AND content.number = $2
         WHERE message.id = $1`,
        [id, number],
      );
      const [row] = rows;
      if (row === undefined) throw new RelayError({ kind: 'spool', reason: 'unknown' });
      left ??= new Fields(row).number('whole');
      const piece = row['piece'];
      if (left > 0 && !Buffer.isBuffer(piece)) throw new RelayError({ kind: 'spool', reason: 'incomplete' });
      if (!Buffer.isBuffer(piece)) return;
      left -= piece.length;
      yield piece;
    }
  }

  list(): AsyncIterable<readonly QueuedMessage[]> {
    return pagesOf(async (after) => {
      const { rows } = await this.#query(PAGE_AFTER, [after.arrivedAt, after.id, PAGE]);
      return rows.map(queuedOf);
    });
  }

  async get(id: string): Promise<QueuedMessage | undefined> {
    const { rows } = await this.#query(
      `SELECT *, ${IS_CLAIMED} AS is_claimed FROM sealpost.messages WHERE id = $1`,
      [id],
    );
    return rows.map(queuedOf)[0];
  }

  async nextDueAt(): Promise<number | undefined> {
    const { rows } = await this.#query(
      `SELECT min(next_attempt_at) - ${NOW} AS ms FROM sealpost.messages WHERE next_attempt_at > ${NOW}`,
    );
    const ms = new Fields(rows[0]).maybeNumber('ms');
    return ms === undefined ? undefined : Date.now() + ms;
  }

  async retryNow(id?: string): Promise<number> {
    const { count } = await this.#query(
      'UPDATE sealpost.messages SET next_attempt_at = 0 WHERE $1::text IS NULL OR id = $1',
      [id ?? null],
    );
    return count;
  }

  async hopIsBack(route: RouteName): Promise<void> {
    await this.#query(
      `UPDATE sealpost.messages SET next_attempt_at = ${NOW}, is_hopless = 0
       WHERE is_hopless = 1 AND coalesce(route, '') = $1`,
      [nameOf(route)],
    );
  }

  async remove(id: string): Promise<'removed' | 'claimed' | 'unknown'> {
    const removed = await this.#query(`DELETE FROM sealpost.messages WHERE id = $1 AND NOT ${IS_CLAIMED}`, [
      id,
    ]);
    if (removed.count === 1) return 'removed';
    return (await this.get(id)) === undefined ? 'unknown' : 'claimed';
  }

  async measure(): Promise<SpoolMeasure> {
    return this.#measured(async (text) => this.#query(text));
  }

  /** Transactions leave nothing behind. */
  async sweep(): Promise<void> {
    await Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  /** What others add at this moment is not seen. */
  async #expectRoom(query: Query, octets: number): Promise<void> {
    const { maxMessages, maxOctets } = this.#limits;
    const found = await this.#measured(query);
    const isFull = found.messages >= maxMessages || found.octets + octets > maxOctets;
    if (isFull) throw new RelayError({ kind: 'spool', reason: 'full' });
  }

  async #measured(query: Query): Promise<SpoolMeasure> {
    const { rows } = await query(
      `SELECT count(*) AS messages, coalesce(sum(octets), 0)::bigint AS octets, min(arrived_at) AS oldest
       FROM sealpost.messages`,
    );
    const row = new Fields(rows[0]);
    return {
      messages: row.number('messages'),
      octets: row.number('octets'),
      oldestArrival: row.maybeNumber('oldest'),
    };
  }

  /** @param token of the claim that it is to have @returns undefined when the database does not come back soon */
  async #isThere(id: string, token?: string): Promise<boolean | undefined> {
    return whenBack(async () => {
      const found = 'SELECT FROM sealpost.messages WHERE id = $1 AND ($2::text IS NULL OR claim = $2)';
      return (await this.#query(found, [id, token ?? null])).count === 1;
    });
  }

  readonly #query: Query = async (text, values) => {
    try {
      await this.#ready();
      return await this.#database.query(text, values);
    } catch (error) {
      throw spoolError(error);
    }
  };

  async #transaction<T>(action: (query: Query) => Promise<T>): Promise<T> {
    try {
      await this.#ready();
      return await this.#database.transaction(action);
    } catch (error) {
      throw spoolError(error);
    }
  }

  async #ready(): Promise<void> {
    this.#migrated ??= migrate(this.#database, SPOOL_PART, SPOOL_SCHEMA);
    try {
      await this.#migrated;
    } catch (error) {
      this.#migrated = undefined; // it is tried again
      throw error;
    }
  }
}

async function insert(query: Query, { message, content }: Entry): Promise<void> {
  await query(INSERT, valuesOf(message));
  let number = 0;
  for await (const piece of pieces(content.content(), PIECE_OCTETS)) {
    await query('INSERT INTO sealpost.contents VALUES ($1, $2, $3)', [message.id, number, piece]);
    number += 1;
  }
}

function textsOf(column: string, rows: readonly unknown[]): readonly string[] {
  return rows.map((row) => new Fields(row).text(column));
}

function valuesOf(message: SpooledMessage): readonly unknown[] {
  const row = rowOf(message);
  return COLUMNS.map((column) => row[column]);
}

function claimOf(row: unknown): Claim {
  const fields = new Fields(row);
  const message = messageOf(row);
  return {
    message: fields.flag('is_unsettled') ? suspected(message) : message,
    token: fields.text('claim'),
  };
}

function queuedOf(row: unknown): QueuedMessage {
  return { message: messageOf(row), isClaimed: new Fields(row).flag('is_claimed') };
}
