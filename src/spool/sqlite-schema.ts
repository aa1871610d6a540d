/**
 * The tables of a spool in SQLite, and what is asked of them. Times are milliseconds since 1970.
 */
import { CLAIM_MS } from './spool-store.ts';

/** Whether a message may be claimed is read off the index `waiting` alone; how much there is, off `totals`. */
export const SCHEMA = `
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
  CREATE INDEX IF NOT EXISTS waiting ON messages (coalesce(route, ''), next_attempt_at, expires_at, claimed_until);
  CREATE INDEX IF NOT EXISTS hopless ON messages (coalesce(route, '')) WHERE is_hopless = 1;
  CREATE INDEX IF NOT EXISTS arrival ON messages (arrived_at, id);
  CREATE TABLE IF NOT EXISTS totals (one INTEGER PRIMARY KEY, messages INTEGER NOT NULL, octets INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO totals SELECT 1, count(*), coalesce(sum(octets), 0) FROM messages;
  CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON messages BEGIN
    UPDATE totals SET messages = messages + 1, octets = octets + new.octets;
  END;
  CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON messages BEGIN
    UPDATE totals SET messages = messages - 1, octets = octets - old.octets;
  END;
`;

export const INSERT = `
  INSERT INTO messages (id, kind, route, sender, recipients, octets, arrived_at, expires_at, next_attempt_at, attempts,
    is_hopless, is_delay_told, claim, claimed_until)
  VALUES (:id, :kind, :route, :sender, :recipients, :octets, :arrived_at, :expires_at, :next_attempt_at, :attempts,
    :is_hopless, :is_delay_told, :claim, :claimed_until)`;

export const UPDATE = `
  UPDATE messages SET kind = :kind, route = :route, sender = :sender, recipients = :recipients, octets = :octets,
    arrived_at = :arrived_at, expires_at = :expires_at, next_attempt_at = :next_attempt_at, attempts = :attempts,
    is_hopless = :is_hopless, is_delay_told = :is_delay_told, claim = NULL, claimed_until = NULL
  WHERE id = :id AND claim = :claim`;

/** One look at the index for each. */
export const ROUTES = `
  WITH RECURSIVE found (name) AS (
    SELECT min(coalesce(route, '')) FROM messages
    UNION ALL
    SELECT (SELECT min(coalesce(route, '')) FROM messages WHERE coalesce(route, '') > name) FROM found
    WHERE name IS NOT NULL
  )
  SELECT name FROM found WHERE name IS NOT NULL`;

/** What waits for an upstream that pauses is due when it expires, or when the operator says so (0). */
export const IS_DUE = `
  (coalesce(route, '') = :route AND next_attempt_at <= :now
    AND (NOT :isPaused OR next_attempt_at = 0 OR expires_at <= :now))`;

/** A claim that would last longer than any can is from before the clock was set back. */
export const IS_FREE = `
  (claimed_until IS NULL OR claimed_until < :now OR claimed_until > :now + ${CLAIM_MS})`;
