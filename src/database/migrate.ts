/**
 * Makes the tables of one part of the program, and changes those of an older version.
 *
 * Guarantees: of several relays that start at once one does it, and the others wait; a version is made whole, or not at all.
 */
import { DatabaseError } from './database-error.ts';
import type { Database, Query } from './database.ts';

/** All our tables stand in one schema of this name. */
const FOUNDATION = `
  CREATE SCHEMA IF NOT EXISTS sealpost;
  CREATE TABLE IF NOT EXISTS sealpost.versions (part text PRIMARY KEY, version integer NOT NULL);
`;

/** Any number that nobody else takes. */
const LOCK = 7_325_767_078;

/**
 * @param steps the n-th makes version n, in one or several statements; what was released is never changed
 * @throws {DatabaseError} also when the tables are of a newer version of the program
 */
export async function migrate(database: Database, part: string, steps: readonly string[]): Promise<void> {
  if ((await versionOf(database.query, part)) === steps.length) return;
  await database.transaction(async (query) => {
    await query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    if (!(await isFounded(query))) await query(FOUNDATION);
    const version = await versionOf(query, part);
    if (version > steps.length) throw new DatabaseError('refused', `tables-of-version-${version}`);
    for (const step of steps.slice(version)) await query(step);
    await query(
      `INSERT INTO sealpost.versions VALUES ($1, $2) ON CONFLICT (part) DO UPDATE SET version = excluded.version`,
      [part, steps.length],
    );
  });
}

async function versionOf(query: Query, part: string): Promise<number> {
  if (!(await isFounded(query))) return 0;
  const { rows } = await query('SELECT version FROM sealpost.versions WHERE part = $1', [part]);
  return Number(rows[0]?.['version'] ?? 0);
}

/** Asked first: who may not make a schema may still use one. */
async function isFounded(query: Query): Promise<boolean> {
  const { rows } = await query(`SELECT to_regclass('sealpost.versions') IS NOT NULL AS is_founded`);
  return rows[0]?.['is_founded'] === true;
}
