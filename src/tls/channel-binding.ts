/**
 * What names one TLS session and no other: a SCRAM exchange that carries it cannot be relayed by a man in the middle.
 *
 * Guarantees: the data comes from the session itself: from its secrets on TLS 1.3, from the peer's certificate on 1.2.
 * Does not: use `tls-unique` (RFC 5929 §3): it is not defined for TLS 1.3, and broken on 1.2 without the extended
 * master secret.
 */
import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

import { certificateSignature } from './certificate-signature.ts';

export interface ChannelBinding {
  /** Name in the registry of channel-binding types (RFC 5056 §7). */
  readonly type: 'tls-exporter' | 'tls-server-end-point';
  readonly data: Buffer;
}

// RFC 9266 §2: the context is the empty string.
const EXPORTER_LABEL = 'EXPORTER-Channel-Binding';
const EXPORTER_OCTETS = 32;

/**
 * The binding that SCRAM uses on this session: RFC 9266 on TLS 1.3, RFC 5929 §4 on TLS 1.2.
 *
 * @param socket after its handshake
 * @param certificate of the peer, as the handshake got it: see `sentChain`
 * @returns undefined when there is none: a certificate whose signature has not one hash, such as Ed25519
 */
export function channelBindingOf(
  socket: TLSSocket,
  certificate: X509Certificate,
): ChannelBinding | undefined {
  if (socket.destroyed) return undefined; // its secrets are gone, and nothing can be written any more
  if (socket.getProtocol() === 'TLSv1.3') {
    const data = socket.exportKeyingMaterial(EXPORTER_OCTETS, EXPORTER_LABEL, Buffer.alloc(0));
    return { type: 'tls-exporter', data };
  }
  return serverEndPoint(certificate);
}

/** The hash of a server's certificate by the hash of its own signature (RFC 5929 §4.1). */
export function serverEndPoint(certificate: X509Certificate): ChannelBinding | undefined {
  const { hash } = certificateSignature(certificate);
  if (hash === undefined) return undefined;
  // RFC 5929 §4.1: MD5 and SHA-1 are replaced by SHA-256.
  const replaced = hash === 'md5' || hash === 'sha1' ? 'sha256' : hash;
  return { type: 'tls-server-end-point', data: createHash(replaced).update(certificate.raw).digest() };
}
