/**
 * A spool of more messages than are listed at a time, many of which came in the same moment.
 */
import assert from 'node:assert/strict';

import type { QueuedMessage } from '../../src/spool/spool-store.ts';

const ALL = 1_201;

/** SQL that makes of the one message `m0` many, `m0` to `m1200`, three of which have each time of arrival. */
export function copiesOf(table: string): string {
  return `
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${ALL - 1})
    INSERT INTO ${table} (id, kind, route, sender, recipients, octets, arrived_at, expires_at, next_attempt_at, attempts,
      is_hopless, is_delay_told)
    SELECT 'm' || n, kind, route, sender, recipients, octets, arrived_at + n / 3, expires_at, next_attempt_at, attempts,
      is_hopless, is_delay_told
    FROM ${table}, numbers`;
}

export function assertListed(pages: readonly (readonly QueuedMessage[])[]): void {
  assert.ok(pages.length > 1);
  const messages = pages.flat().map(({ message }) => message);
  const times = messages.map(({ arrivedAt }) => arrivedAt);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(messages.map(({ id }) => id)).size, ALL);
  assert.equal(messages.length, ALL);
}
