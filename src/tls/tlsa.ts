/**
 * TLSA records (RFC 6698 §2): what DNS says about the certificate of a service.
 *
 * Does not: fetch them (dns/), nor compare them with a certificate (dane.ts).
 */

/** RFC 6698 §2.1, numbers as in DNS. */
export interface TlsaRecord {
  /** 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE (RFC 7218 §2.1). */
  readonly usage: number;
  /** 0 the whole certificate, 1 its SubjectPublicKeyInfo. */
  readonly selector: number;
  /** 0 the octets themselves, 1 their SHA-256, 2 their SHA-512. */
  readonly matchingType: number;
  /** Certificate association data. */
  readonly data: Buffer;
}
