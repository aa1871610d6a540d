/**
 * What becomes of a process after a mistake of ours.
 */
import type { Log } from '../log/log.ts';
import { describeError } from '../log/describe-error.ts';
import { EXIT } from './exit.ts';

/** A mistake of ours leaves a state nobody thought of: log it and end, so that whoever supervises us starts anew. */
export function dieOnMistakes(log: Log): void {
  const die = (error: unknown): void => {
    log.emit('internal.error', describeError(error));
    process.exit(EXIT.software);
  };
  process.on('uncaughtException', die).on('unhandledRejection', die);
}
