/**
 * Our own certificate, for servers that ask for one (mutual TLS).
 *
 * Guarantees: an identity that is returned can be used in every handshake of ours (strength.ts).
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';

import { errorCode } from '../protocol/error-code.ts';
import type { Secret } from '../protocol/secret.ts';
import { SECURITY_LEVEL } from './strength.ts';

/** As node:tls takes it. The members are secrets: never shown, never logged. */
export type ClientIdentity =
  | { readonly cert: string; readonly key: string; readonly passphrase?: string }
  | { readonly pfx: Buffer; readonly passphrase?: string };

/** What is wrong with which of the files; the text continues the name of its variable. */
export class IdentityFault extends Error {
  readonly part: 'certificate' | 'key' | 'pkcs12';

  constructor(part: IdentityFault['part'], text: string, cause?: unknown) {
    super(text, { cause });
    this.part = part;
  }
}

/**
 * From PEM: certificate, with its chain, and key.
 *
 * @throws {IdentityFault}
 */
export function pemIdentity(cert: string, key: string, passphrase: Secret | undefined): ClientIdentity {
  const identity = { cert, key, ...phraseOf(passphrase) };
  if (!certificateOf(cert).checkPrivateKey(privateKeyOf(key, passphrase)))
    throw new IdentityFault('key', 'should be the key of SEALPOST_TLS_CLIENT_CERT_FILE');
  return usable(identity, 'certificate', 'should name a PEM certificate');
}

/**
 * From PKCS#12.
 *
 * @throws {IdentityFault}
 */
export function pkcs12Identity(pfx: Buffer, passphrase: Secret | undefined): ClientIdentity {
  const otherwise = 'should name a PKCS#12 file that SEALPOST_TLS_CLIENT_PASSPHRASE opens';
  return usable({ pfx, ...phraseOf(passphrase) }, 'pkcs12', otherwise);
}

function phraseOf(passphrase: Secret | undefined): { readonly passphrase?: string } {
  return passphrase === undefined ? {} : { passphrase: passphrase.reveal() };
}

function certificateOf(cert: string): X509Certificate {
  try {
    return new X509Certificate(cert);
  } catch (error) {
    throw new IdentityFault('certificate', 'should name a PEM certificate', error);
  }
}

function privateKeyOf(key: string, passphrase: Secret | undefined): KeyObject {
  try {
    return createPrivateKey({ key, ...phraseOf(passphrase) });
  } catch (error) {
    const text = 'should name a PEM private key; one with a passphrase needs SEALPOST_TLS_CLIENT_PASSPHRASE';
    throw new IdentityFault('key', text, error);
  }
}

// What OpenSSL says of a file that can be read and not be used.
const UNUSABLE: ReadonlyMap<string | undefined, string> = new Map([
  ['ERR_SSL_EE_KEY_TOO_SMALL', 'has a key that is too weak; RSA of 2048 bits or EC of 256 is the least'],
  ['ERR_SSL_CA_MD_TOO_WEAK', 'has a signature that is too weak, such as SHA-1'],
  [
    'ERR_CRYPTO_UNSUPPORTED_OPERATION',
    'is encrypted with an old algorithm; make the file anew with openssl pkcs12 -export',
  ],
]);

function usable(identity: ClientIdentity, part: IdentityFault['part'], otherwise: string): ClientIdentity {
  try {
    createSecureContext({ ...identity, ca: [], ciphers: `DEFAULT:${SECURITY_LEVEL}` });
    return identity;
  } catch (error) {
    throw new IdentityFault(part, UNUSABLE.get(errorCode(error)) ?? otherwise, error);
  }
}
