/**
 * The tables of a spool that several relays share; see `migrate` for how they change.
 *
 * Claims end by the clock of the database, the only one that all relays see.
 */
export const SPOOL_PART = 'spool';

export const SPOOL_SCHEMA: readonly string[] = [
  `
  CREATE TABLE sealpost.messages (
    id text PRIMARY KEY,
    kind text NOT NULL,
    route text,
    sender text NOT NULL,
    recipients text NOT NULL,
    octets bigint NOT NULL,
    arrived_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    next_attempt_at bigint NOT NULL,
    attempts integer NOT NULL,
    is_hopless integer NOT NULL,
    is_delay_told integer NOT NULL,
    claim text,
    claimed_until timestamptz
  );
  CREATE INDEX due ON sealpost.messages (next_attempt_at);
  CREATE TABLE sealpost.contents (
    message text NOT NULL REFERENCES sealpost.messages ON DELETE CASCADE,
    number integer NOT NULL,
    octets bytea NOT NULL,
    PRIMARY KEY (message, number)
  );
  ALTER TABLE sealpost.contents ALTER COLUMN octets SET STORAGE EXTERNAL;
  `,
  `CREATE INDEX waiting ON sealpost.messages (coalesce(route, ''), next_attempt_at);`,
];
