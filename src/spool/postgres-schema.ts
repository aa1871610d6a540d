/**
 * The tables of a spool that several relays share, and what is asked of them; see `migrate` for how they change.
 *
 * Claims end by the clock of the database, the only one that all relays see.
 */
import { CLAIM_MS } from './spool-store.ts';

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
  `
  CREATE INDEX waiting ON sealpost.messages (coalesce(route, ''), next_attempt_at);
  CREATE INDEX arrival ON sealpost.messages (arrived_at, id);
  `,
];

/** Milliseconds since 1970, by the database's clock. */
export const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
export const CLAIM_END = `clock_timestamp() + interval '${CLAIM_MS} milliseconds'`;

export const IS_CLAIMED = '(claimed_until IS NOT NULL AND claimed_until >= clock_timestamp())';

/** What waits for an upstream that pauses ($3) is due when it expires, or when the operator says so (0). */
const IS_DUE = `
  (coalesce(route, '') = $1 AND next_attempt_at <= ${NOW}
    AND (NOT $3::boolean OR next_attempt_at = 0 OR expires_at <= ${NOW}))`;

/** One look at the index for each. */
export const ROUTES = `
  WITH RECURSIVE found (name) AS (
    SELECT min(coalesce(route, '')) FROM sealpost.messages
    UNION ALL
    SELECT (SELECT min(coalesce(route, '')) FROM sealpost.messages WHERE coalesce(route, '') > name) FROM found
    WHERE name IS NOT NULL
  )
  SELECT name FROM found WHERE name IS NOT NULL`;

export const COLUMNS = [
  'id',
  'kind',
  'route',
  'sender',
  'recipients',
  'octets',
  'arrived_at',
  'expires_at',
  'next_attempt_at',
  'attempts',
  'is_hopless',
  'is_delay_told',
] as const;

const PLACES = COLUMNS.map((_, at) => `$${at + 1}`).join(', ');
export const INSERT = `INSERT INTO sealpost.messages (${COLUMNS.join(', ')}) VALUES (${PLACES})`;
export const UPDATE = `
  UPDATE sealpost.messages SET (${COLUMNS.join(', ')}, claim, claimed_until) = (${PLACES}, NULL, NULL)
  WHERE id = $1 AND claim = $${COLUMNS.length + 1}`;

export const CLAIM_NEW = `UPDATE sealpost.messages SET claim = $2, claimed_until = ${CLAIM_END} WHERE id = $1`;

export const CLAIM = `
  WITH due AS (
    SELECT id, claim FROM sealpost.messages
    WHERE ${IS_DUE} AND NOT ${IS_CLAIMED}
    ORDER BY next_attempt_at LIMIT $2
    FOR UPDATE SKIP LOCKED
  )
  UPDATE sealpost.messages AS message
  SET attempts = attempts + 1, claim = gen_random_uuid()::text, claimed_until = ${CLAIM_END}
  FROM due WHERE message.id = due.id
  RETURNING message.*, due.claim IS NOT NULL AS is_unsettled`;

export const PAGE_AFTER = `
  SELECT *, ${IS_CLAIMED} AS is_claimed FROM sealpost.messages
  WHERE (arrived_at, id) > ($1, $2) ORDER BY arrived_at, id LIMIT $3`;
