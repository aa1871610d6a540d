/**
 * From what a request for a token throws to the words of `TokenError`.
 */
import { OperationProcessingError, ResponseBodyError, UnsupportedOperationError } from 'oauth4webapi';

import { RelayError } from '../protocol/failure.ts';
import { printable } from '../protocol/printable.ts';
import type { Secret } from '../protocol/secret.ts';
import { HttpsError } from '../tls/https-fetch.ts';
import { TokenError, type TokenReason } from './token-error.ts';

/** Of what a provider says about its refusal. */
const DETAIL_CHARACTERS = 300;

/** RFC 6749 §5.2, and what RFC 6749 §4.1.2.1 and Microsoft add. */
const REASONS: ReadonlyMap<string, TokenReason> = new Map([
  ['invalid_grant', 'token-login-refused'],
  ['interaction_required', 'token-login-refused'],
  ['invalid_client', 'token-client-refused'],
  ['unauthorized_client', 'token-client-refused'],
  ['invalid_scope', 'token-scope-refused'],
  ['temporarily_unavailable', 'token-endpoint-failed'],
  ['server_error', 'token-endpoint-failed'],
]);

/**
 * The library's errors have the response as their cause; it goes no further than this.
 *
 * @param secrets what must not be shown of the provider's words
 * @returns the error itself when it is none of these
 */
export function asTokenError(error: unknown, secrets: readonly Secret[]): unknown {
  if (error instanceof RelayError) return notVerified(error);
  if (error instanceof HttpsError) return new TokenError('token-endpoint-unreachable', error.reason);
  if (error instanceof ResponseBodyError) return refusalOf(error, secrets);
  if (error instanceof OperationProcessingError) return oddAnswer(error.cause);
  if (error instanceof UnsupportedOperationError)
    return new TokenError('token-endpoint-failed', 'not a bearer token');
  return error;
}

function notVerified({ failure }: RelayError): TokenError {
  if (failure.kind !== 'tls') return new TokenError('token-endpoint-unreachable', failure.kind);
  if (failure.reason === 'timeout') return new TokenError('token-endpoint-unreachable', 'timeout');
  return new TokenError('token-endpoint-insecure', failure.reason);
}

function refusalOf(error: ResponseBodyError, secrets: readonly Secret[]): TokenError {
  const { error: code, error_description: description = '', status } = error;
  if (isPassingStatus(status)) return new TokenError('token-endpoint-failed', `HTTP ${status}`);
  const text = description === '' ? code : `${code}: ${description}`;
  return new TokenError(REASONS.get(code) ?? 'token-request-refused', shown(text, secrets));
}

/** An answer that is none of RFC 6749. */
function oddAnswer(cause: unknown): TokenError {
  if (!(cause instanceof Response) || cause.status === 200)
    return new TokenError('token-endpoint-failed', 'not a token response');
  const reason = cause.status === 401 ? 'token-client-refused' : 'token-endpoint-failed';
  return new TokenError(reason, `HTTP ${cause.status}`);
}

function isPassingStatus(status: number): boolean {
  return status >= 500 || status === 429;
}

/** A text that repeats one of our secrets, or half of one, is not shown. */
function shown(text: string, secrets: readonly Secret[]): string {
  const isEcho = secrets.some((secret) => {
    const value = secret.reveal();
    const half = Math.max(8, Math.floor(value.length / 2));
    return text.includes(value.slice(0, half)) || text.includes(value.slice(-half));
  });
  return isEcho ? 'the provider repeats a secret of ours' : printable(text, DETAIL_CHARACTERS);
}
