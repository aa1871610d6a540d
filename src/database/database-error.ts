/**
 * Why the database did not do what it was asked.
 *
 * Guarantees: the reason is a code or a word of ours, never text from the server, which may repeat what it was sent.
 */
import { errorCode } from '../protocol/error-code.ts';
import { RelayError } from '../protocol/failure.ts';

export type DatabaseFault =
  /** It is not there, or not now. */
  | 'away'
  /** Its server did not prove its name inside TLS. */
  | 'insecure'
  /** It does not let us in. */
  | 'login'
  /** It was asked for something that it cannot or does not want to do. */
  | 'refused';

export class DatabaseError extends Error {
  readonly fault: DatabaseFault;
  readonly reason: string;
  /** It was to commit, and did not say whether it has. */
  readonly isInDoubt: boolean;

  constructor(fault: DatabaseFault, reason: string, options: ErrorOptions & { isInDoubt?: boolean } = {}) {
    super(`the database: ${fault} (${reason})`, options);
    this.name = 'DatabaseError';
    this.fault = fault;
    this.reason = reason;
    this.isInDoubt = options.isInDoubt ?? false;
  }
}

/** SQLSTATE classes and conditions (PostgreSQL's documentation, appendix A); what is not here was refused. */
const FAULTS: readonly (readonly [prefix: string, fault: DatabaseFault])[] = [
  ['08', 'away'], // connection exception
  ['57P', 'away'], // shutting down, starting, or our connection was ended by somebody
  ['53300', 'away'], // too many connections
  ['28', 'login'], // invalid authorization
  ['3D', 'login'], // no such database
  ['42501', 'login'], // insufficient privilege
];

/** In the system's words, where it has one. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['53100', 'ENOSPC'],
  ['25006', 'EROFS'],
  ['58030', 'EIO'],
]);

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** What the client library, the socket or the handshake reported. */
export function databaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  if (error instanceof RelayError) return connectionFailure(error);
  const code = errorCode(error);
  // The library has no code for a connection that ended, or took too long.
  if (code === undefined) return new DatabaseError('away', 'connection-lost', { cause: error });
  const fault = SQLSTATE.test(code) ? faultOf(code) : 'away';
  return new DatabaseError(fault, REASONS.get(code) ?? code, { cause: error });
}

function faultOf(code: string): DatabaseFault {
  return FAULTS.find(([prefix]) => code.startsWith(prefix))?.[1] ?? 'refused';
}

function connectionFailure(error: RelayError): DatabaseError {
  const { failure } = error;
  const reason = 'reason' in failure ? failure.reason : failure.kind;
  const isInsecure = failure.kind === 'tls' && reason !== 'timeout';
  return new DatabaseError(isInsecure ? 'insecure' : 'away', reason, { cause: error });
}
