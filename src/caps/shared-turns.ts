/**
 * Turns to send a message that all relays take from one table; see `OwnCaps` for how they follow each other.
 */
import { randomUUID } from 'node:crypto';

import type { Database } from '../database/database.ts';
import { once, type TooLate, type Turn } from '../upstream/caps.ts';
import { LOCK_ACCOUNT } from './caps-schema.ts';

export interface TurnOrder {
  readonly account: string;
  readonly perMinute: number;
  readonly patienceMs: number;
}

/** Milliseconds until the turn comes, of which a minute has no more than the cap. */
const WAIT = `
  SELECT coalesce(greatest(0, extract(epoch FROM comes_at + interval '1 minute' - clock_timestamp()) * 1000), 0)::float8 AS ms
  FROM sealpost.turns WHERE account = $1 ORDER BY comes_at DESC OFFSET $2 LIMIT 1`;

/** @throws {DatabaseError} */
export async function takeSharedTurn(database: Database, order: TurnOrder): Promise<Turn | TooLate> {
  const { account, perMinute, patienceMs } = order;
  const turn = randomUUID();
  const waitMs = await database.transaction(async (query) => {
    await query(LOCK_ACCOUNT, [account]);
    await query(
      `DELETE FROM sealpost.turns WHERE account = $1 AND comes_at <= clock_timestamp() - interval '1 minute'`,
      [account],
    );
    const { rows } = await query(WAIT, [account, perMinute - 1]);
    const ms = Math.ceil(Number(rows[0]?.['ms'] ?? 0));
    if (ms <= patienceMs)
      await query(
        `INSERT INTO sealpost.turns VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')`,
        [turn, account, ms],
      );
    return ms;
  });
  if (waitMs > patienceMs) return { tooLateMs: waitMs };
  const giveBack = async (): Promise<void> => {
    const gone = database.query('DELETE FROM sealpost.turns WHERE turn = $1', [turn]);
    await gone.catch(() => undefined); // it passes unused
  };
  return { waitMs, giveBack: once(() => void giveBack()) };
}
