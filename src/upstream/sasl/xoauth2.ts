/**
 * XOAUTH2: user and access token in one response. No RFC; Google's, and the only token mechanism of Microsoft 365.
 */
import { bearerMechanism, type Bearer } from './bearer.ts';
import { SaslError, type Mechanism } from './mechanism.ts';

/** @throws {SaslError} token-not-sendable */
export function xoauth2({ user, token }: Bearer): Mechanism {
  if (user.includes('\u0001')) throw new SaslError('token-not-sendable', 'XOAUTH2');
  const message = `user=${user}\u0001auth=Bearer ${token.reveal()}\u0001\u0001`;
  // A refusal is answered with an empty line.
  return bearerMechanism({ name: 'XOAUTH2', message, acknowledgement: '' }, token);
}
