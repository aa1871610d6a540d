/**
 * What a process has logged last, on its way out.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** How long a slow reader of the log is waited for. */
export const LAST_LINES_MS = 1_000;

/** Resolves when standard output has taken all lines, or takes none; without it, ending would drop what waits. */
export async function lastLinesWritten(): Promise<void> {
  const written = new Promise<void>((resolve) => {
    process.stdout.write('', () => resolve());
  });
  await Promise.race([written, delay(LAST_LINES_MS, undefined, { ref: false })]);
}
