/**
 * The key file of a Google service account.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';

import type { ServiceAccount } from './account.ts';

export interface ServiceAccountFile {
  readonly account: ServiceAccount;
  /** Where the file says that tokens are given out. */
  readonly tokenUrl: string | undefined;
}

/** @throws {Error} that says what the file lacks; its text continues the name of the file's variable */
export function parseServiceAccount(json: string): ServiceAccountFile {
  const fields = objectOf(json);
  const { client_email: email, private_key: pem, private_key_id: keyId, token_uri: tokenUrl } = fields;
  if (typeof email !== 'string' || typeof pem !== 'string')
    throw new Error('should name the JSON key file of a service account, with client_email and private_key');
  return {
    account: { email, key: rsaKey(pem), keyId: typeof keyId === 'string' ? keyId : undefined },
    tokenUrl: tokenUrl === undefined ? undefined : httpsUrl(tokenUrl),
  };
}

function httpsUrl(text: unknown): string {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url?.protocol === 'https:' && url.username === '' && url.password === '') return url.href;
  throw new Error('should name a service account file whose token_uri is an https:// URL');
}

function objectOf(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value));
  } catch {
    // A parser quotes what it does not like, and that may be the key.
  }
  throw new Error('should name the JSON key file of a service account; this one is not JSON');
}

function rsaKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'rsa') return key;
  } catch {
    // the same for the person who reads it
  }
  throw new Error('should name a service account file whose private_key is an RSA key');
}
