/**
 * Why a question to DNS has no answer. None of these says "there is no such record": that is an answer.
 */
export type DnsFaultReason =
  /** There is an answer, and its signatures or its denial do not hold. */
  | 'bogus'
  /** The resolver could not find out, with validation or without. */
  | 'servfail'
  /** The resolver does not want to, or does not understand the question: any other response code. */
  | 'refused'
  | 'timeout'
  | 'unreachable'
  /** What came is no DNS message, or not one that answers the question; or the name cannot be asked. */
  | 'malformed'
  /** The resolver reached by TLS did not prove who it is: nothing was asked. */
  | 'not-verified';

const SENTENCES: Readonly<Record<DnsFaultReason, string>> = {
  bogus: 'DNSSEC validation failed',
  servfail: 'the resolver could not find out',
  refused: 'the resolver refused the question',
  timeout: 'no answer in time',
  unreachable: 'the resolver cannot be reached',
  malformed: 'the answer, or the name, is malformed',
  'not-verified': 'the resolver did not prove its identity in TLS',
};

export class DnsError extends Error {
  readonly reason: DnsFaultReason;

  constructor(reason: DnsFaultReason, options?: ErrorOptions) {
    super(SENTENCES[reason], options);
    this.name = 'DnsError';
    this.reason = reason;
  }
}

/** For who waits until a signal aborts. */
export const timedOut = (): DnsError => new DnsError('timeout');

/** Whatever was thrown, as a `DnsError`; one stays itself. */
export function asDnsError(error: unknown, otherwise: DnsFaultReason): DnsError {
  return error instanceof DnsError ? error : new DnsError(otherwise, { cause: error });
}
