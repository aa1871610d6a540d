/**
 * The caps of an upstream, kept by all relays together by way of their database.
 *
 * Guarantees: what is granted to relays is never more than the cap; what a dead relay had returns by itself. While the
 * database is away each relay keeps to an equal part of the caps, as many relays as there were when it was seen last.
 */
import { randomUUID } from 'node:crypto';

import { databaseError, DatabaseError } from '../database/database-error.ts';
import type { Database } from '../database/database.ts';
import { migrate } from '../database/migrate.ts';
import type { Log } from '../log/log.ts';
import { unlessAborted } from '../protocol/unless-aborted.ts';
import {
  OwnCaps,
  type Caps,
  type ConnectionShare,
  type Demand,
  type TooLate,
  type Turn,
} from '../upstream/caps.ts';
import { CAPS_PART, CAPS_SCHEMA } from './caps-schema.ts';
import { SharedConnections } from './shared-connections.ts';
import { takeSharedTurn } from './shared-turns.ts';

/** Somebody waits for the answer. */
const ANSWER_MS = 3_000;

export class SharedCaps implements Caps {
  readonly #database: Database;
  readonly #log: Log;
  readonly #relay = randomUUID();
  readonly #own = new OwnCaps();
  readonly #shares = new Set<SharedConnections>();
  readonly #ending = new Set<Promise<void>>();
  #migrated: Promise<void> | undefined;
  #relays = 1;
  #isSeparated = false;

  /** Owns the database, and asks it for nothing yet. */
  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  shareConnections(account: string, max: number, demand: Demand): ConnectionShare {
    const share = new SharedConnections(
      { account, max, relay: this.#relay },
      {
        demand,
        inDatabase: async (action) => this.#inDatabase(action),
        saw: (relays) => void (this.#relays = relays),
        ownPart: () => this.#partOf(max),
        onEnd: (ended) => {
          this.#shares.delete(share);
          this.#ending.add(ended);
          void ended.finally(() => this.#ending.delete(ended));
        },
      },
    );
    this.#shares.add(share);
    return share;
  }

  async takeTurn(account: string, perMinute: number, patienceMs: number): Promise<Turn | TooLate> {
    try {
      const turn = await this.#inDatabase(async (database) =>
        takeSharedTurn(database, { account, perMinute, patienceMs }),
      );
      if ('waitMs' in turn) this.#own.note(account, turn.waitMs);
      return turn;
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      return this.#own.takeTurn(account, this.#partOf(perMinute), patienceMs);
    }
  }

  async close(): Promise<void> {
    for (const share of this.#shares) share.end();
    await Promise.all(this.#ending);
    await this.#database.close();
  }

  /** For a relay that does not hear of the others. */
  #partOf(cap: number): number {
    return Math.max(1, Math.floor(cap / this.#relays));
  }

  /** @throws {DatabaseError} */
  async #inDatabase<T>(action: (database: Database) => Promise<T>): Promise<T> {
    const limit = AbortSignal.timeout(ANSWER_MS);
    try {
      const done = this.#ready().then(async () => action(this.#database));
      const result = await unlessAborted(done, limit, () => new DatabaseError('away', 'timeout'));
      if (this.#isSeparated) this.#log.emit('caps.rejoined', { relays: this.#relays });
      this.#isSeparated = false;
      return result;
    } catch (error) {
      const why = databaseError(error);
      if (!this.#isSeparated) this.#log.emit('caps.separated', { relays: this.#relays, reason: why.reason });
      this.#isSeparated = true;
      throw why;
    }
  }

  async #ready(): Promise<void> {
    this.#migrated ??= migrate(this.#database, CAPS_PART, CAPS_SCHEMA);
    try {
      await this.#migrated;
    } catch (error) {
      this.#migrated = undefined; // it is tried again
      throw error;
    }
  }
}
