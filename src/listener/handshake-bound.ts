/**
 * Ends a client that leaves, or stalls, during the handshake after STARTTLS, which smtp-server does not notice.
 */
import type { Socket } from 'node:net';

/** Handshakes of slow devices take seconds. */
export const HANDSHAKE_MS = 30_000;

/** @param plain the socket under TLS */
export function boundHandshake(plain: Socket, isUnderWay: () => boolean): void {
  plain.allowHalfOpen = false; // what TLS inherits: a peer that closes its side ends the connection
  const timer = setTimeout(() => {
    if (isUnderWay()) plain.destroy();
  }, HANDSHAKE_MS);
  timer.unref();
}
