/**
 * A command line that cannot be understood; the message says why, in words for the person who typed it.
 */
import { errorCode } from '../protocol/error-code.ts';

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** True also for what `parseArgs` of node:util throws, whose messages are of the same kind. */
export function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof Error && errorCode(error)?.startsWith('ERR_PARSE_ARGS_') === true;
}
