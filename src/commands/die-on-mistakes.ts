/**
 * What becomes of a process after a mistake of ours.
 */
import { describeError } from '../log/describe-error.ts';
import { EXIT } from './exit.ts';

/**
 * A mistake of ours leaves a state nobody thought of: tell it and end, so that whoever supervises us starts anew.
 *
 * Node itself would print the fields of an error too: some have the URL or the answer that it is about, secrets and all.
 *
 * @param tell takes the place of who was told before
 */
export function dieOnMistakes(tell: (mistake: ReturnType<typeof describeError>) => void): void {
  const die = (error: unknown): void => {
    tell(describeError(error));
    process.exit(EXIT.software);
  };
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.removeAllListeners(event).on(event, die);
}
