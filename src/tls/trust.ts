/**
 * What every handshake of one kind shares: trust anchors, versions, suites, groups, our own certificate.
 *
 * Guarantees: `NODE_EXTRA_CA_CERTS` has no say; anchors are read once; what RFC 9325 does not allow cannot be asked for
 * (`strength.ts` reads what the operator wrote).
 */
import { constants, X509Certificate } from 'node:crypto';
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls';

import type { ClientIdentity } from './client-identity.ts';
import {
  CIPHERS,
  GROUPS,
  isHybrid,
  SECURITY_LEVEL,
  type Cipher,
  type Group,
  type TlsVersion,
} from './strength.ts';

const TLS13_SUITES = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];

const PEM_BEGIN = /-----BEGIN CERTIFICATE-----/g;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface TrustOptions {
  readonly minVersion?: TlsVersion;
  /** For TLS 1.2; those of TLS 1.3 are all fit. */
  readonly ciphers?: readonly Cipher[];
  /** In order of preference. */
  readonly groups?: readonly Group[];
  /** PEM, each a certificate; see `parseAnchors`. */
  readonly addedAnchors?: readonly string[];
  /** Trusts the added anchors alone. */
  readonly isAnchorsOnly?: boolean;
  /** Presented to servers that ask for a certificate. */
  readonly clientIdentity?: ClientIdentity | undefined;
}

export class Trust {
  /** Trusts the anchors. */
  readonly anchored: SecureContext;
  readonly #options: TrustOptions;
  readonly #anchors: readonly string[];
  #classical: Trust | undefined;

  constructor(options: TrustOptions = {}, anchors = anchorsOf(options)) {
    this.#options = options;
    this.#anchors = anchors;
    this.anchored = this.#context({ ca: [...anchors] });
  }

  /** Trusts nobody: for a handshake that only looks. OpenSSL has nothing to complete the presented chain with. */
  anchorless(): SecureContext {
    return this.#context({ ca: [] });
  }

  /** Trusts this one authority, be it a root or not. */
  only(anchor: X509Certificate): SecureContext {
    return this.#context({ ca: [anchor.toString()], allowPartialTrustChain: true });
  }

  /** The same for a server that our certificate is not for. */
  get anonymous(): Trust {
    if (this.#options.clientIdentity === undefined) return this;
    return new Trust({ ...this.#options, clientIdentity: undefined }, this.#anchors);
  }

  /**
   * The same without the post-quantum groups, whose key shares make a ClientHello longer than a segment: some middleboxes
   * lose such a one. Verification is the same.
   *
   * @returns undefined when there is no such group, or no other
   */
  get classical(): Trust | undefined {
    const { groups = GROUPS } = this.#options;
    const rest = groups.filter((group) => !isHybrid(group));
    if (rest.length === 0 || rest.length === groups.length) return undefined;
    this.#classical ??= new Trust({ ...this.#options, groups: rest }, this.#anchors);
    return this.#classical;
  }

  #context(anchors: Pick<SecureContextOptions, 'ca' | 'allowPartialTrustChain'>): SecureContext {
    const { minVersion = 'TLSv1.2', ciphers = CIPHERS, groups = GROUPS, clientIdentity } = this.#options;
    return createSecureContext({
      minVersion,
      maxVersion: 'TLSv1.3',
      ciphers: [...TLS13_SUITES, ...ciphers, SECURITY_LEVEL].join(':'),
      ecdhCurve: withKeyShares(groups),
      // In TLS 1.2 a server could ask for another handshake, whose certificate nobody would look at (RFC 5246 §7.4.1.1);
      // Node's `disableRenegotiation()` does nothing on a client's socket (seen in 24.21).
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ...clientIdentity,
      ...anchors,
    });
  }
}

/**
 * The groups as OpenSSL 3.5 reads them: `*` marks those for which a key share is sent at once. The first gets one, and so
 * does the first classical one, else a server without the hybrids costs a round trip.
 */
function withKeyShares(groups: readonly Group[]): string {
  const classical = groups.find((group) => !isHybrid(group));
  return groups.map((group, at) => (at === 0 || group === classical ? `*${group}` : group)).join(':');
}

function anchorsOf({ addedAnchors = [], isAnchorsOnly = false }: TrustOptions): readonly string[] {
  return isAnchorsOnly ? addedAnchors : [...defaultAnchors(), ...addedAnchors];
}

/**
 * The certificates of a PEM file.
 *
 * @throws {Error} when there is none, or one that cannot be read or is cut short
 */
export function parseAnchors(pem: string): readonly string[] {
  const found = pem.match(PEM_CERTIFICATE) ?? [];
  if (found.length === 0) throw new Error('contains no PEM certificate');
  if (found.length !== pem.match(PEM_BEGIN)?.length)
    throw new Error('contains a certificate that is cut short');
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
