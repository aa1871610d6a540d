/**
 * Our own certificate, for servers that ask for one (mutual TLS).
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

import type { Secret } from '../protocol/secret.ts';

/** As node:tls takes it. The members are secrets: never shown, never logged. */
export type ClientIdentity =
  | { readonly cert: string; readonly key: string; readonly passphrase?: string }
  | { readonly pfx: Buffer; readonly passphrase?: string };

/**
 * From PEM: certificate, with its chain, and key.
 *
 * @throws {Error} that says which of the two is wrong
 */
export function pemIdentity(cert: string, key: string, passphrase: Secret | undefined): ClientIdentity {
  const phrase = passphrase === undefined ? {} : { passphrase: passphrase.reveal() };
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch (error) {
    throw new IdentityFault('certificate', 'should name a PEM certificate', { cause: error });
  }
  try {
    const privateKey = createPrivateKey({ key, ...phrase });
    if (certificate.checkPrivateKey(privateKey)) return { cert, key, ...phrase };
  } catch (error) {
    const text = 'should name a PEM private key; one with a passphrase needs SEALPOST_TLS_CLIENT_PASSPHRASE';
    throw new IdentityFault('key', text, { cause: error });
  }
  throw new IdentityFault('key', 'should be the key of SEALPOST_TLS_CLIENT_CERT_FILE');
}

/**
 * From PKCS#12.
 *
 * @throws {Error} when it cannot be opened
 */
export function pkcs12Identity(pfx: Buffer, passphrase: Secret | undefined): ClientIdentity {
  const identity = { pfx, ...(passphrase === undefined ? {} : { passphrase: passphrase.reveal() }) };
  try {
    createSecureContext({ ...identity, ca: [] });
  } catch (error) {
    const text = 'should name a PKCS#12 file that SEALPOST_TLS_CLIENT_PASSPHRASE opens';
    throw new IdentityFault('pkcs12', text, { cause: error });
  }
  return identity;
}

export class IdentityFault extends Error {
  readonly part: 'certificate' | 'key' | 'pkcs12';

  constructor(part: IdentityFault['part'], text: string, options?: ErrorOptions) {
    super(text, options);
    this.part = part;
  }
}
