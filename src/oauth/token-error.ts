/**
 * Why there is no access token.
 *
 * Guarantees: reason and detail hold nothing that we sent; what came from the provider is printable and bounded.
 */
/** Words of ours; relay/auth-sentence.ts has what to do about each. */
export type TokenReason =
  /** No connection, or no answer in time. */
  | 'token-endpoint-unreachable'
  /** It did not prove its name: nothing was sent to it. */
  | 'token-endpoint-insecure'
  /** An answer that is no answer: 5xx, too many requests, not JSON. */
  | 'token-endpoint-failed'
  /** The refresh token or the assertion is not accepted any more (RFC 6749 §5.2 invalid_grant). */
  | 'token-login-refused'
  /** The client is not accepted: unknown, wrong or outdated secret or certificate, or not allowed to do this. */
  | 'token-client-refused'
  | 'token-scope-refused'
  /** Refused in another way. */
  | 'token-request-refused'
  /** Nobody has logged in yet. */
  | 'token-login-missing'
  /** The file of the login cannot be read or written. */
  | 'token-state-unusable';

export class TokenError extends Error {
  readonly reason: TokenReason;
  /** For people: the provider's words, or a code. */
  readonly detail: string;

  constructor(reason: TokenReason, detail = '', options?: ErrorOptions) {
    super(detail === '' ? reason : `${reason}: ${detail}`, options);
    this.name = 'TokenError';
    this.reason = reason;
    this.detail = detail;
  }
}

/** Whether another try may do better without anybody's help. */
export function isPassing({ reason }: TokenError): boolean {
  return reason.startsWith('token-endpoint-');
}
