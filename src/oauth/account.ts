/**
 * What is known of an account whose access tokens are asked for: the client that asks, the grant, and whose mail it is.
 */
import type { KeyObject } from 'node:crypto';

import type { Secret } from '../protocol/secret.ts';
import type { OAuthEndpoints } from './endpoints.ts';

/** How the client proves to be the one of its id (RFC 6749 §2.3). */
export type ClientProof =
  /** A public client (RFC 8252 §8.5). */
  | { readonly kind: 'none' }
  | { readonly kind: 'secret'; readonly secret: Secret; readonly sentIn: 'body' | 'header' }
  /** private_key_jwt (RFC 7523 §2.2), with the SHA-256 of the certificate, by which some providers find the key. */
  | { readonly kind: 'certificate'; readonly key: KeyObject; readonly certificate: string };

/** A key file as Google gives it for a service account. */
export interface ServiceAccount {
  readonly email: string;
  readonly key: KeyObject;
  readonly keyId: string | undefined;
}

export type Grant =
  /** A person has logged in; `seed` is the refresh token that the operator gave, else `sealpost login` has stored one. */
  | { readonly kind: 'refresh-token'; readonly seed: Secret | undefined }
  /** The client speaks for itself (RFC 6749 §4.4). */
  | { readonly kind: 'client-credentials' }
  /** The client says for whom it speaks (RFC 7523 §2.1). */
  | { readonly kind: 'service-account'; readonly account: ServiceAccount };

export interface OAuthAccount {
  /** Whose mail is sent; the name that SASL says. */
  readonly user: string;
  readonly endpoints: OAuthEndpoints;
  /** '' for a service account, which has none. */
  readonly clientId: string;
  readonly clientProof: ClientProof;
  readonly grant: Grant;
  readonly stateDirectory: string;
}
