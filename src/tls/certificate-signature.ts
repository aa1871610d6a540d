/**
 * With which hash a certificate is signed, read from the certificate itself (RFC 5280 §4.1.1.2).
 */
import type { X509Certificate } from 'node:crypto';

// RFC 8017 appendix C, RFC 5758 §3.2, RFC 3279 §2.2; names as `createHash` knows them.
const SIGNATURE_HASHES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.4', 'md5'],
  ['1.2.840.113549.1.1.5', 'sha1'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.1', 'sha1'],
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
]);
const RSASSA_PSS = '1.2.840.113549.1.1.10';

export interface CertificateSignature {
  /** As `createHash` names it; undefined where the algorithm has no single hash, or one that is not known here. */
  readonly hash: string | undefined;
}

export function certificateSignature(certificate: X509Certificate): CertificateSignature {
  const algorithm = certificate.signatureAlgorithmOid;
  if (algorithm === undefined) return { hash: undefined };
  return { hash: algorithm === RSASSA_PSS ? pssHash(certificate.raw) : SIGNATURE_HASHES.get(algorithm) };
}

// The octets of the object identifiers (RFC 8017 appendix B.1).
const PSS_HASHES: ReadonlyMap<string, string> = new Map([
  ['2b0e03021a', 'sha1'],
  ['608648016503040204', 'sha224'],
  ['608648016503040201', 'sha256'],
  ['608648016503040202', 'sha384'],
  ['608648016503040203', 'sha512'],
]);

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const HASH_ALGORITHM = 0xa0;

/** RFC 8017 appendix A.2.3: `[0] hashAlgorithm` of the parameters, SHA-1 where it is left out. */
function pssHash(der: Buffer): string | undefined {
  const [whole] = elements(der);
  const [, algorithm] = elements(whole?.content);
  const [, parameters] = elements(algorithm?.content);
  if (parameters?.tag !== SEQUENCE) return undefined;
  const [first] = elements(parameters.content);
  if (first?.tag !== HASH_ALGORITHM) return 'sha1';
  const [identifier] = elements(first.content);
  const [oid] = elements(identifier?.content);
  return oid?.tag === OBJECT_IDENTIFIER ? PSS_HASHES.get(oid.content.toString('hex')) : undefined;
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** The DER elements that stand one after the other; stops at what is none. OpenSSL has accepted these octets already. */
function elements(der: Buffer | undefined): readonly Element[] {
  const found: Element[] = [];
  for (let rest = der ?? Buffer.alloc(0); rest.length >= 2;) {
    const tag = rest.readUInt8(0);
    const short = rest.readUInt8(1);
    if (short === 0x80) break; // indefinite: not DER
    const lengthOctets = short < 0x80 ? 0 : short & 0x7f;
    if (lengthOctets > 4 || rest.length < 2 + lengthOctets) break;
    const length = lengthOctets === 0 ? short : rest.readUIntBE(2, lengthOctets);
    const begin = 2 + lengthOctets;
    if (rest.length < begin + length) break;
    found.push({ tag, content: rest.subarray(begin, begin + length) });
    rest = rest.subarray(begin + length);
  }
  return found;
}
