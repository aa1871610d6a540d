/**
 * Who must be at the other end, and what counts as the proof of it.
 *
 * Guarantees: the union is closed and has no member that means "whoever it is".
 */
import type { X509Certificate } from 'node:crypto';

import type { ReferenceIdentifier } from './reference-identifier.ts';
import type { TlsaRecord } from './tlsa.ts';

export interface PeerIdentity {
  /** The certificate must present one of them (RFC 9525 §6.1), where the proof asks for a name; the first is sent by SNI. */
  readonly references: readonly [ReferenceIdentifier, ...ReferenceIdentifier[]];
  readonly proof: Proof;
}

export type Proof =
  /** A chain to a trust anchor, and the name. */
  | { readonly by: 'pkix' }
  /** One of these keys, base64 SHA-256 of SubjectPublicKeyInfo; chain and name are not asked. */
  | { readonly by: 'pin'; readonly pins: Pins }
  /** All three: chain, name and key. */
  | { readonly by: 'pkix-and-pin'; readonly pins: Pins }
  /** A certificate that a DNSSEC-secure record of usage 3 describes; name and dates are not asked (RFC 7671 §5.1). */
  | { readonly by: 'dane-ee'; readonly records: readonly TlsaRecord[] }
  /** A chain to this one anchor, which a DNSSEC-secure record of usage 2 describes, and the name (RFC 7671 §5.2). */
  | { readonly by: 'dane-ta'; readonly anchor: X509Certificate };

/** Never none: a proof by no key at all cannot be written down. */
export type Pins = readonly [string, ...string[]];
