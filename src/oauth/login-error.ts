/**
 * How a login can end without one, beside what a token endpoint can do.
 */
import type { Secret } from '../protocol/secret.ts';
import type { TokenReply } from './token-endpoint.ts';

export type LoginReason =
  /** Nobody logged in while the code counted. */
  | 'expired'
  /** Somebody said no. */
  | 'denied'
  /** An access token came, and nothing that could renew it. */
  | 'no-refresh-token'
  /** The browser came back with an error. */
  | 'refused';

export class LoginError extends Error {
  readonly reason: LoginReason;
  /** The provider's words; printable and bounded. */
  readonly detail: string;

  constructor(reason: LoginReason, detail = '') {
    super(reason);
    this.name = 'LoginError';
    this.reason = reason;
    this.detail = detail;
  }
}

/** @throws {LoginError} no-refresh-token */
export function refreshTokenOf({ refreshToken }: TokenReply): Secret {
  if (refreshToken === undefined) throw new LoginError('no-refresh-token');
  return refreshToken;
}
