/**
 * The part of oidc-provider that the tests use; the package has no types of its own.
 */
declare module 'oidc-provider' {
  import type { EventEmitter } from 'node:events';
  import type { RequestListener } from 'node:http';

  /** A stored token; the value of an opaque one is its `jti`. */
  interface StoredToken {
    readonly jti: string;
    /** When it was used, of one that counts once. */
    readonly consumed?: number;
    save(): Promise<string>;
    destroy(): Promise<void>;
  }

  interface TokenModel {
    new (properties: object): StoredToken;
    find(value: string): Promise<StoredToken | undefined>;
  }

  interface StoredGrant {
    addOIDCScope(scope: string): void;
    save(): Promise<string>;
  }

  interface Context {
    body: unknown;
    readonly oidc: {
      readonly client: object;
      readonly params: Readonly<Record<string, string | undefined>>;
    };
  }

  class Provider extends EventEmitter {
    constructor(issuer: string, configuration: object);
    readonly AccessToken: TokenModel;
    readonly ClientCredentials: TokenModel;
    readonly RefreshToken: TokenModel;
    readonly Grant: new (properties: object) => StoredGrant;
    readonly Client: { find(id: string): Promise<object | undefined> };
    callback(): RequestListener;
    registerGrantType(
      name: string,
      handler: (context: Context, next: () => Promise<void>) => Promise<void>,
      parameters: readonly string[],
    ): void;
  }

  const errors: { readonly InvalidGrant: new (detail: string) => Error };

  export { Provider, errors, type Context, type StoredToken };
}
