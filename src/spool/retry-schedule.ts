/**
 * When a message is tried again: some seconds after it came, then at intervals that double up to an hour.
 */
const FIRST_MS = 5_000;
const LONGEST_MS = 3_600_000;

/** Messages that failed together do not all come back together. */
const SPREAD = 0.2;

/** @param attempts that were made in vain, the client's own not counted @returns milliseconds */
export function retryAfterMs(attempts: number, random = Math.random): number {
  const interval = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts, 20));
  return Math.round(interval * (1 - SPREAD * random()));
}
