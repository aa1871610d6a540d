/**
 * Which failures may pass by themselves, so that a message is worth keeping.
 *
 * Guarantees: what is insecure, or wrong with the message, is never among them: its client hears of it at once.
 */
import { RelayError, type Failure } from '../protocol/failure.ts';
import { NO_SERVER_HELLO } from '../tls/handshake-end.ts';

/**
 * A connection that ended within the handshake, or on which nothing came, is one that was lost: a balancer without a server
 * behind it does this. It tells nothing about who the peer is; what the peer showed does.
 */
const LOSSES: ReadonlySet<string> = new Set([
  'connection-lost',
  'timeout',
  NO_SERVER_HELLO,
  'ECONNABORTED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
]);

export function isTransient(failure: Failure): boolean {
  switch (failure.kind) {
    case 'refused':
    case 'session-refused':
      return failure.reply.code < 500;
    case 'auth': // it is the operator's to mend, and the client can do nothing about it
    case 'dns':
    case 'unreachable':
    case 'lost':
    case 'outcome-unknown':
    case 'capacity':
      return true;
    case 'tls':
      return LOSSES.has(failure.reason);
    case 'protocol':
    case 'policy':
    case 'too-big':
    case 'unsupported':
    case 'unknown-parameter':
    case 'hop-loop':
    case 'malformed-message':
    case 'spool':
    case 'spool-content':
      return false;
  }
}

/** @returns its failure, where that may pass @throws the error itself otherwise */
export function transientFailure(error: unknown): Failure {
  if (error instanceof RelayError && isTransient(error.failure)) return error.failure;
  throw error;
}
