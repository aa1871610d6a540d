/**
 * Where a provider gives out tokens, and for what.
 */

export interface OAuthEndpoints {
  /** RFC 6749 §3.2; https. */
  readonly tokenUrl: string;
  /** RFC 8628 §3.1; https. Undefined where the provider has no device flow. */
  readonly deviceUrl?: string | undefined;
  /** RFC 6749 §3.1; https. Undefined where nobody logs in with a browser. */
  readonly authorizationUrl?: string | undefined;
  /** Scopes, separated by blanks; '' leaves it to the provider. */
  readonly scope: string;
}
