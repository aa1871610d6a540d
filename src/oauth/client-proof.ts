/**
 * How a client authenticates itself at a token endpoint, and how an assertion is signed.
 */
import { X509Certificate, type KeyObject } from 'node:crypto';

import { ClientSecretBasic, ClientSecretPost, modifyAssertion, None, PrivateKeyJwt } from 'oauth4webapi';
import type { ClientAuth, CryptoKey } from 'oauth4webapi';

import type { ClientProof, ServiceAccount } from './account.ts';

/** How long an assertion counts, seconds; Google allows an hour, and clocks differ by minutes. */
const ASSERTION_S = 300;

export function clientAuthOf(proof: ClientProof): ClientAuth {
  switch (proof.kind) {
    case 'none':
      return None();
    case 'secret':
      return proof.sentIn === 'body'
        ? ClientSecretPost(proof.secret.reveal())
        : ClientSecretBasic(proof.secret.reveal());
    case 'certificate':
      return certificateAuth(proof.key, proof.certificate);
  }
}

/** The thumbprint says which of the client's certificates it is: Microsoft asks for it, others ignore it. */
function certificateAuth(key: KeyObject, certificate: string): ClientAuth {
  const thumbprint = Buffer.from(new X509Certificate(certificate).fingerprint256.replaceAll(':', ''), 'hex');
  return PrivateKeyJwt(signingKey(key, 'RSA-PSS'), {
    [modifyAssertion]: (header) => {
      header['typ'] = 'JWT';
      header['x5t#S256'] = thumbprint.toString('base64url');
    },
  });
}

export interface Claims {
  readonly audience: string;
  readonly scope: string;
  /** For whom the account speaks. */
  readonly subject: string;
}

/** The assertion of a JWT bearer grant (RFC 7523 §3); RS256, which every provider with this grant takes. */
export async function signedAssertion(account: ServiceAccount, claims: Claims): Promise<string> {
  const { email, key, keyId } = account;
  const now = Math.floor(Date.now() / 1_000);
  const sign = PrivateKeyJwt(signingKey(key, 'RSASSA-PKCS1-v1_5'), {
    [modifyAssertion]: (header, payload) => {
      header['typ'] = 'JWT';
      if (keyId !== undefined) header['kid'] = keyId;
      payload['iss'] = email;
      payload['sub'] = claims.subject;
      payload['aud'] = claims.audience;
      payload['scope'] = claims.scope;
      payload['iat'] = now;
      payload['exp'] = now + ASSERTION_S;
      delete payload['nbf'];
    },
  });
  const body = new URLSearchParams();
  await sign({ issuer: claims.audience }, { client_id: email }, body, new Headers());
  return body.get('client_assertion') ?? '';
}

/** @param rsa the scheme of RSA keys; the others have but one */
function signingKey(key: KeyObject, rsa: 'RSA-PSS' | 'RSASSA-PKCS1-v1_5'): CryptoKey {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa') return key.toCryptoKey({ name: rsa, hash: 'SHA-256' }, false, ['sign']);
  const namedCurve = CURVES[details?.namedCurve ?? ''];
  if (type === 'ec' && namedCurve !== undefined)
    return key.toCryptoKey({ name: 'ECDSA', namedCurve }, false, ['sign']);
  throw new TypeError('the key can sign no assertion');
}

const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

/** Whether `clientAuthOf` can use the key. */
export function canSign(key: KeyObject): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  return type === 'rsa' || (type === 'ec' && CURVES[details?.namedCurve ?? ''] !== undefined);
}
