/**
 * Short ids that tie the lines of one session, transaction or hop together.
 */
import { randomInt } from 'node:crypto';

/** Ten letters and digits: unique enough for a log and for the id of a trace header. */
export function newId(): string {
  return randomInt(2 ** 47)
    .toString(36)
    .padStart(10, '0');
}
