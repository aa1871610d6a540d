/**
 * Tells the end of a kept hop that nobody noticed from a failure that counts.
 */
import { RelayError } from '../protocol/failure.ts';

/** The connection was gone, or the upstream closed it, before MAIL had an answer. */
export function isStaleHop(error: unknown): boolean {
  if (!(error instanceof RelayError)) return false;
  const { failure } = error;
  if (failure.kind === 'lost') return failure.phase === 'mail' && failure.reason !== 'timeout';
  return failure.kind === 'refused' && failure.phase === 'mail' && failure.reply.code === 421;
}
