/**
 * One relay's part of the connections to an account: leased from the database, renewed, and adjusted to what all want.
 *
 * Guarantees: before less is told to the others, no more is opened here; what could not be renewed is not relied on.
 */
import { randomUUID } from 'node:crypto';

import { DatabaseError } from '../database/database-error.ts';
import type { Database, Query } from '../database/database.ts';
import type { ConnectionShare, Demand } from '../upstream/caps.ts';
import { LOCK_ACCOUNT } from './caps-schema.ts';
import { partOf, type Other } from './division.ts';

/** How long a part lasts unless it is renewed, and how often it is. */
const LEASE_MS = 15_000;
const TICK_MS = 2_000;

/** Not relied on to the last moment. */
const SAFE_MS = LEASE_MS - 4_000;

/** Between two questions, whoever waits. */
const HURRY_MS = 250;

export interface Account {
  readonly account: string;
  readonly max: number;
  /** Ours. */
  readonly relay: string;
}

export interface ShareSurroundings {
  readonly demand: Demand;
  /** Gives up soon. @throws {DatabaseError} */
  readonly inDatabase: <T>(action: (database: Database) => Promise<T>) => Promise<T>;
  /** To be told how many relays there are. */
  readonly saw: (relays: number) => void;
  /** What is ours while nobody hears of the others. */
  readonly ownPart: () => number;
  readonly onEnd: (ended: Promise<void>) => void;
}

export class SharedConnections implements ConnectionShare {
  /** None before the first answer. */
  bound = 0;
  readonly #account: Account;
  readonly #around: ShareSurroundings;
  readonly #id = randomUUID();
  /** Performance.now() */
  #askedAt = -Infinity;
  #renewedAt = -Infinity;
  #asking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(account: Account, around: ShareSurroundings) {
    this.#account = account;
    this.#around = around;
  }

  hurry(): void {
    if (this.#hasEnded || this.#asking !== undefined) return;
    const restMs = this.#askedAt + HURRY_MS - performance.now();
    if (restMs > 0) this.#askAfter(restMs);
    else this.#ask();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#around.onEnd(this.#giveBack());
  }

  #askAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ms).unref();
  }

  #ask(): void {
    clearTimeout(this.#timer);
    this.#askedAt = performance.now();
    this.#asking = this.#exchange()
      .catch((error: unknown) => this.#failed(error))
      .then(() => {
        this.#asking = undefined;
        if (this.#hasEnded) return;
        const isShort = this.#around.demand.wanted > this.bound;
        this.#askAfter(isShort ? HURRY_MS : TICK_MS);
        this.#around.demand.shareChanged();
      });
  }

  async #exchange(): Promise<void> {
    const { inDatabase, saw } = this.#around;
    const found = await inDatabase(async (database) =>
      database.transaction(async (query) => this.#settle(query)),
    );
    this.#renewedAt = this.#askedAt;
    this.bound = found.bound;
    saw(found.relays);
  }

  async #settle(query: Query): Promise<{ readonly bound: number; readonly relays: number }> {
    const { account, max, relay } = this.#account;
    await query(LOCK_ACCOUNT, [account]);
    await query('DELETE FROM sealpost.shares WHERE account = $1 AND held_until <= clock_timestamp()', [
      account,
    ]);
    const { rows } = await query(
      'SELECT relay, granted, wanted FROM sealpost.shares WHERE account = $1 AND share <> $2',
      [account, this.#id],
    );
    const { held, wanted } = this.#around.demand;
    const { granted, bound } = partOf(max, { held, wanted }, rows.map(otherOf));
    this.bound = Math.min(this.bound, bound);
    await query(
      `INSERT INTO sealpost.shares VALUES ($1, $2, $3, $4, $5, clock_timestamp() + interval '${LEASE_MS} milliseconds')
       ON CONFLICT (share) DO UPDATE SET (granted, wanted, held_until) =
         (excluded.granted, excluded.wanted, excluded.held_until)`,
      [this.#id, account, relay, granted, Math.min(wanted, max)],
    );
    return { bound, relays: new Set([relay, ...rows.map((row) => row['relay'])]).size };
  }

  /** What was granted counts as long as nobody else can have it. */
  #failed(error: unknown): void {
    if (!(error instanceof DatabaseError)) throw error;
    if (performance.now() > this.#renewedAt + SAFE_MS) this.bound = this.#around.ownPart();
  }

  /** If that fails, it ends by itself. */
  async #giveBack(): Promise<void> {
    await this.#asking;
    if (this.#renewedAt === -Infinity) return;
    const gone = this.#around.inDatabase(async (database) =>
      database.query('DELETE FROM sealpost.shares WHERE share = $1', [this.#id]),
    );
    await gone.catch(() => undefined);
  }
}

function otherOf(row: Readonly<Record<string, unknown>>): Other {
  return { granted: Number(row['granted']), wanted: Number(row['wanted']) };
}
