/**
 * The public key of a certificate, as pins and TLSA records describe it.
 */
import { createHash, type KeyObject, type X509Certificate } from 'node:crypto';

/** SubjectPublicKeyInfo, DER (RFC 5280 §4.1.2.7); undefined for a key that OpenSSL does not know. */
export function spkiOf(certificate: X509Certificate): Buffer | undefined {
  return publicKeyOf(certificate)?.export({ type: 'spki', format: 'der' });
}

/** The value of a pin: base64 SHA-256 of SubjectPublicKeyInfo (RFC 7469 §2.4); undefined as for `spkiOf`. */
export function spkiSha256(certificate: X509Certificate): string | undefined {
  const spki = spkiOf(certificate);
  return spki === undefined ? undefined : createHash('sha256').update(spki).digest('base64');
}

/** Node decodes the key when it is asked for it, and throws what it cannot decode. */
function publicKeyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey;
  } catch {
    return undefined; // any stranger can send one
  }
}

/** Curves of 256 bits and more. */
const CURVES: readonly string[] = [
  'prime256v1',
  'secp384r1',
  'secp521r1',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
];

/**
 * Whether the key is too weak to prove anything, or not known at all: RSA below 2048 bits, EC below 256 (RFC 9325 §4.5).
 *
 * OpenSSL's level 2 says nearly the same of a chain (it takes RSA from 1,984 bits on), and nothing where a pin or a record
 * replaces the chain.
 */
export function hasWeakKey(certificate: X509Certificate): boolean {
  const publicKey = publicKeyOf(certificate);
  if (publicKey === undefined) return true;
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  if (type === 'rsa' || type === 'rsa-pss') return (details?.modulusLength ?? 0) < 2_048;
  if (type === 'ec') return !CURVES.includes(details?.namedCurve ?? '');
  return type !== 'ed25519' && type !== 'ed448';
}
