/**
 * The tables by which relays keep the caps of an upstream together; see `migrate` for how they change.
 *
 * An account is a digest. What a relay has ends by the clock of the database unless it is renewed.
 */
export const CAPS_PART = 'caps';

export const CAPS_SCHEMA: readonly string[] = [
  `
  CREATE TABLE sealpost.shares (
    share text PRIMARY KEY,
    account text NOT NULL,
    relay text NOT NULL,
    granted integer NOT NULL,
    wanted integer NOT NULL,
    held_until timestamptz NOT NULL
  );
  CREATE INDEX shares_of_account ON sealpost.shares (account);
  CREATE TABLE sealpost.turns (
    turn text PRIMARY KEY,
    account text NOT NULL,
    comes_at timestamptz NOT NULL
  );
  CREATE INDEX turns_of_account ON sealpost.turns (account, comes_at);
  `,
];

/** One relay at a time decides about an account. */
export const LOCK_ACCOUNT = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))';
