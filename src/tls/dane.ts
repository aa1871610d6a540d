/**
 * TLSA records against certificates (RFC 6698 §2.1, RFC 7671).
 *
 * Does not: ask whether the records are DNSSEC-secure (dns/), nor build a path: a trust anchor that a record describes is
 * handed to OpenSSL as the only one (verified-tls.ts).
 */
import { createHash, type X509Certificate } from 'node:crypto';

import { spkiOf } from './spki.ts';
import type { TlsaRecord } from './tlsa.ts';

const DANE_TA = 2;
const DANE_EE = 3;
const DIGEST_OCTETS: ReadonlyMap<number, number> = new Map([
  [1, 32],
  [2, 64],
]);

/** The records that can authenticate a submission server, by usage. */
export interface UsableRecords {
  /** DANE-EE(3): the server's own certificate or key. */
  readonly endEntity: readonly TlsaRecord[];
  /** DANE-TA(2): an authority that its chain must lead to. */
  readonly anchors: readonly TlsaRecord[];
}

/**
 * Leaves out what cannot be used: usages 0 and 1 (RFC 7672 §3.1.3), unknown parameters, digests of a wrong length, and
 * SHA-256 where the same usage and selector has SHA-512 (RFC 7671 §9).
 *
 * @returns undefined when nothing is left
 */
export function usableRecords(records: readonly TlsaRecord[]): UsableRecords | undefined {
  const wellFormed = records.filter(isWellFormed);
  const strongest = wellFormed.filter(
    (one) =>
      one.matchingType !== 1 ||
      !wellFormed.some(
        (other) => other.matchingType === 2 && other.usage === one.usage && other.selector === one.selector,
      ),
  );
  if (strongest.length === 0) return undefined;
  return {
    endEntity: strongest.filter(({ usage }) => usage === DANE_EE),
    anchors: strongest.filter(({ usage }) => usage === DANE_TA),
  };
}

/** Whether the record describes the certificate. */
export function describes(
  { selector, matchingType, data }: TlsaRecord,
  certificate: X509Certificate,
): boolean {
  const selected = selector === 0 ? certificate.raw : spkiOf(certificate);
  if (selected === undefined) return false;
  switch (matchingType) {
    case 0:
      return selected.equals(data);
    case 1:
      return createHash('sha256').update(selected).digest().equals(data);
    case 2:
      return createHash('sha512').update(selected).digest().equals(data);
    default:
      return false;
  }
}

/**
 * The authority in a presented chain that a record describes (RFC 7671 §5.2.2: it must be in what the server sends).
 *
 * @param chain as presented, the server's own certificate first
 */
export function anchorIn(
  chain: readonly X509Certificate[],
  records: readonly TlsaRecord[],
): X509Certificate | undefined {
  const [own, ...others] = chain;
  const authorities = others.filter(({ raw }) => own === undefined || !raw.equals(own.raw));
  return authorities.find((certificate) => records.some((record) => describes(record, certificate)));
}

function isWellFormed({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  if (usage !== DANE_TA && usage !== DANE_EE) return false;
  if (selector !== 0 && selector !== 1) return false;
  if (matchingType === 0) return data.length > 0;
  return DIGEST_OCTETS.get(matchingType) === data.length;
}
