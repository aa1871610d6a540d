/**
 * What a failed opening says about the next one, and about the hops that there are.
 */
import type { Failure } from '../protocol/failure.ts';

/** The upstream does not know us: asking often locks accounts. */
export function isRefusedLogin(failure: Failure): boolean {
  return failure.kind === 'auth' && failure.reply !== undefined && failure.reply.code >= 500;
}

/** Says nothing against the hops that there are. */
export function isPassing({ kind }: Failure): boolean {
  return kind !== 'tls' && kind !== 'auth';
}
