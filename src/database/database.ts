/**
 * A PostgreSQL database: a few connections, opened when they are needed and again when they were lost.
 *
 * Guarantees: no variable of the environment, no file of the user's and no word of the URL has a say about where a
 * connection goes or how it is secured; what was committed would survive a power failure of the server
 * (synchronous_commit); a statement that is not answered in time ends its connection. While the server is away it is
 * asked at growing intervals, and whoever comes in between hears of the newest failure at once.
 */
import type { Pool, PoolClient, QueryResult } from 'pg';

import { Trust, type TrustOptions } from '../tls/trust.ts';
import { databaseError, DatabaseError } from './database-error.ts';
import type { DatabasePlace } from './database-place.ts';
import { DatabaseStream } from './database-stream.ts';
import { openConnection } from './open-connection.ts';
import { Rest } from './rest.ts';

const MAX_CONNECTIONS = 8;
const CONNECT_MS = 10_000;
const STATEMENT_MS = 20_000;
const IDLE_MS = 30_000;

/** For int8: milliseconds since 1970 and octets are numbers. */
const INT8 = 20;

export interface Result {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Rows that were found or changed. */
  readonly count: number;
}

/** Runs a statement with values for $1, $2, … @throws {DatabaseError} */
export type Query = (text: string, values?: readonly unknown[]) => Promise<Result>;

export class Database {
  readonly #place: DatabasePlace;
  readonly #trust: Trust;
  readonly #rest = new Rest();
  readonly #prepared = new WeakSet<PoolClient>();
  #pool: Promise<Pool> | undefined;

  /** Connects when it is asked for something. */
  constructor(place: DatabasePlace, trust: TrustOptions) {
    this.#place = place;
    this.#trust = new Trust({ ...trust, clientIdentity: undefined });
  }

  /** @throws {DatabaseError} */
  readonly query: Query = async (text, values) => this.#using(async (client) => run(client, text, values));

  /**
   * All of it, or nothing.
   *
   * @throws {DatabaseError}, or what the action throws; after one that is in doubt it may have been committed
   */
  async transaction<T>(action: (query: Query) => Promise<T>): Promise<T> {
    return this.#using(async (client) => {
      await run(client, 'BEGIN');
      try {
        const result = await action(async (text, values) => run(client, text, values));
        await commit(client);
        return result;
      } catch (error) {
        if (isSoundAfter(error)) await run(client, 'ROLLBACK');
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    const pool = await this.#pool;
    await pool?.end();
  }

  /** A connection that a statement did not come back on is not used again. */
  async #using<T>(action: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#connected();
    let isSound = false;
    try {
      const result = await action(client);
      isSound = true;
      return result;
    } catch (error) {
      isSound = isSoundAfter(error);
      throw error;
    } finally {
      client.release(!isSound);
    }
  }

  async #connected(): Promise<PoolClient> {
    this.#rest.expectOver();
    try {
      this.#pool ??= this.#open();
      const client = await (await this.#pool).connect();
      await this.#prepare(client);
      this.#rest.end();
      return client;
    } catch (error) {
      throw this.#rest.begin(databaseError(error));
    }
  }

  async #prepare(client: PoolClient): Promise<void> {
    if (this.#prepared.has(client)) return;
    this.#prepared.add(client);
    try {
      await run(client, "SET client_encoding = 'UTF8'");
      await run(client, DURABLE);
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  /** Read only now: a variable of the environment decides what the library is made of. */
  async #open(): Promise<Pool> {
    const { Pool: PoolOf, types } = await import('pg');
    types.setTypeParser(INT8, Number);
    const { way, user, password, database } = this.#place;
    const pool = new PoolOf({
      // All that it would else take from PGHOST and its like.
      host: 'localhost',
      port: 5_432,
      user,
      database,
      // A function, so that it looks for no ~/.pgpass.
      password: () => revealed(password),
      ssl: false,
      application_name: 'sealpost',
      stream: () => new DatabaseStream(async (signal) => openConnection(way, this.#trust, signal)),
      max: MAX_CONNECTIONS,
      connectionTimeoutMillis: CONNECT_MS,
      idleTimeoutMillis: IDLE_MS,
      query_timeout: STATEMENT_MS,
    });
    pool.on('error', () => undefined); // an idle connection was lost: the next one is opened
    // Told by the statement that is under way, or by the next. The end may come with the login, before anybody has the client.
    pool.on('connect', (client) => client.on('error', () => undefined));
    return pool;
  }
}

/** Whether the connection is as it was before. */
function isSoundAfter(error: unknown): boolean {
  return !(error instanceof DatabaseError) || error.fault === 'refused';
}

/** What the server is set to do may be more than this, and never less. */
const DURABLE = `SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')`;

function revealed(password: DatabasePlace['password']): string {
  if (password === undefined) throw new DatabaseError('login', 'no-password');
  return password.reveal();
}

async function commit(client: PoolClient): Promise<void> {
  try {
    await run(client, 'COMMIT');
  } catch (error) {
    const { fault, reason } = databaseError(error);
    throw new DatabaseError(fault, reason, { cause: error, isInDoubt: !isSoundAfter(error) });
  }
}

async function run(client: PoolClient, text: string, values: readonly unknown[] = []): Promise<Result> {
  try {
    const { rows, rowCount }: QueryResult<Record<string, unknown>> = await client.query(text, [...values]);
    return { rows, count: rowCount ?? 0 };
  } catch (error) {
    throw databaseError(error);
  }
}
