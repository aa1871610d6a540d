/**
 * The numbers of several workers: what each may use of a limit that holds for all, and when a dead one is replaced.
 */

/** One of how many, from 1. */
export interface WorkerNumber {
  readonly worker: number;
  readonly workers: number;
}

/** A process that has no others beside it. */
export const ALONE: WorkerNumber = { worker: 1, workers: 1 };

/** A worker's part of a limit; the parts of all workers add up to it, and no two differ by more than one. */
export function shareOf(limit: number, { worker, workers }: WorkerNumber): number {
  return Math.floor(limit / workers) + (worker <= limit % workers ? 1 : 0);
}

/** A worker that lasted so long was not killed by its start. */
const STEADY_MS = 10_000;
const FIRST_MS = 250;
const LONGEST_MS = 30_000;

/** @returns how many lives in a row were short, this one included */
export function shortLives(before: number, lastedMs: number): number {
  return lastedMs >= STEADY_MS ? 0 : before + 1;
}

/** How long the place of a dead worker stays empty, milliseconds: workers that die at once must not become a storm. */
export function restMs(inARow: number): number {
  return inARow === 0 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (inARow - 1));
}
