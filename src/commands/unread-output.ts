/**
 * What becomes of a command when nobody takes what it prints: `sealpost config | head`, a full disk.
 */
import { errorCode } from '../protocol/error-code.ts';
import { EXIT } from './exit.ts';

/** What a shell says of a program that SIGPIPE has ended; Node ignores that signal. */
const SIGPIPE_EXIT = 141;

/** A complaint that nobody reads changes nothing: the exit code tells as much. */
export function endWhenUnread(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error) => {
    const code = errorCode(error) ?? 'unknown';
    if (code === 'EPIPE') process.exit(SIGPIPE_EXIT);
    process.stderr.write(`sealpost: cannot write to standard output (${code})\n`);
    process.exit(EXIT.ioError);
  });
}
