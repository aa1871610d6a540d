/**
 * A handshake that only looks at what a server presents: for DANE-TA, and for people who ask what is there.
 *
 * Guarantees: it proves nothing and gives no stream; nothing is written but the handshake, and the connection is over
 * when it resolves.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';

import { asTlsFailure } from './classify.ts';
import { handshakeEnd, HandshakeError, type Patience } from './handshake-end.ts';
import { negotiated, type Negotiated } from './negotiated.ts';
import { identifierText, type ReferenceIdentifier } from './reference-identifier.ts';
import { sentChain } from './sent-chain.ts';
import type { Trust } from './trust.ts';

export interface PresentedChain extends Negotiated {
  /** In the order sent, the server's own first. */
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
}

/**
 * @param socket connected, with nothing unread; destroyed in any case
 * @param reference whom to ask for by SNI
 * @throws {RelayError} kind `tls`
 */
export async function presentedChain(
  socket: Socket,
  reference: ReferenceIdentifier,
  trust: Trust,
  patience: Patience,
): Promise<PresentedChain> {
  const name = identifierText(reference);
  const tls = connect({
    socket,
    secureContext: trust.anchorless(),
    rejectUnauthorized: false, // nobody is believed: the stream ends below
    host: name,
    ...(reference.kind === 'dns' ? { servername: name } : {}),
    checkServerIdentity: () => undefined,
  });
  try {
    return await handshakeEnd(tls, socket, patience, () => {
      const [first, ...others] = sentChain(tls);
      if (first === undefined) throw new HandshakeError('no-certificate');
      return { certificates: [first, ...others], ...negotiated(tls) };
    });
  } catch (error) {
    throw asTlsFailure(error);
  } finally {
    tls.destroy();
    socket.destroy();
  }
}
