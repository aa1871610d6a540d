/**
 * Trust anchors: the system's, or Node's own where the system has none, and the operator's.
 *
 * Guarantees: `NODE_EXTRA_CA_CERTS` has no say; the anchors are read once and kept in one secure context.
 */
import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** Protocol versions that RFC 9325 §3.1.1 still allows. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

// RFC 9325 §4.2: forward secrecy and AEAD only. Level 2 refuses RSA below 2048 bits and SHA-1 signatures in any certificate.
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  '@SECLEVEL=2',
].join(':');

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What every handshake of one kind shares: anchors, versions, ciphers. */
export class Trust {
  readonly secureContext: SecureContext;

  /** @param addedAnchors PEM, each a certificate; see `parseAnchors` */
  constructor(minVersion: TlsVersion = 'TLSv1.2', addedAnchors: readonly string[] = []) {
    this.secureContext = createSecureContext({
      minVersion,
      maxVersion: 'TLSv1.3',
      ciphers: CIPHERS,
      // In TLS 1.2 a server could ask for another handshake, whose certificate nobody would look at (RFC 5246 §7.4.1.1);
      // Node's `disableRenegotiation()` does nothing on a client's socket (seen in 24.21).
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ca: [...defaultAnchors(), ...addedAnchors],
    });
  }
}

/**
 * The certificates of a PEM file.
 *
 * @throws {Error} when there is none, or one that cannot be read
 */
export function parseAnchors(pem: string): readonly string[] {
  const found = pem.match(PEM_CERTIFICATE) ?? [];
  if (found.length === 0) throw new Error('contains no PEM certificate');
  for (const text of found) {
    try {
      void new X509Certificate(text);
    } catch (error) {
      throw new Error('contains a certificate that cannot be read', { cause: error });
    }
  }
  return found;
}

function defaultAnchors(): readonly string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('bundled');
}
