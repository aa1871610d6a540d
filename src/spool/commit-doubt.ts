/**
 * What to make of a commit that the database did not answer: it is asked for what it has, once it is back.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { DatabaseError } from '../database/database-error.ts';
import { RelayError } from '../protocol/failure.ts';

/** How long somebody waits for the answer, and how often it is asked for, milliseconds. */
const PATIENCE_MS = 10_000;
const ASKED_AGAIN_MS = 250;

/** Whether it may have been committed. */
export function isCommitInDoubt(error: unknown): boolean {
  return error instanceof RelayError && error.cause instanceof DatabaseError && error.cause.isInDoubt;
}

/** @returns the answer; undefined when the database does not come back soon */
export async function whenBack<T>(ask: () => Promise<T>): Promise<T | undefined> {
  const late = performance.now() + PATIENCE_MS;
  while (performance.now() < late) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      await delay(ASKED_AGAIN_MS);
    }
  }
  return undefined;
}
