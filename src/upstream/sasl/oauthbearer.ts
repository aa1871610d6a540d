/**
 * OAUTHBEARER (RFC 7628): an access token in a GS2 message.
 *
 * Host and port are left out: they are for tokens that sign a request (RFC 7628 §3.1).
 */
import { bearerMechanism, type Bearer } from './bearer.ts';
import { base64, SaslError, type Mechanism } from './mechanism.ts';

/** @throws {SaslError} token-not-sendable */
export function oauthbearer({ user, token }: Bearer): Mechanism {
  if (user.includes('\u0001')) throw new SaslError('token-not-sendable', 'OAUTHBEARER');
  const name = user.replaceAll('=', '=3D').replaceAll(',', '=2C'); // RFC 5801 §4 saslname
  const message = `n,a=${name},\u0001auth=Bearer ${token.reveal()}\u0001\u0001`;
  // RFC 7628 §3.2.3: a refusal is answered with a dummy %x01.
  return bearerMechanism({ name: 'OAUTHBEARER', message, acknowledgement: base64('\u0001') }, token);
}
