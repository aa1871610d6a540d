/**
 * Asks a provider for tokens (RFC 6749, RFC 7523, RFC 8628).
 *
 * Guarantees: every failure is a `TokenError` without what we sent; requests go through the fetch of tls/ alone.
 * Does not: decide when (renewing-token.ts) or keep anything.
 */
import {
  clientCredentialsGrantRequest,
  customFetch,
  genericTokenEndpointRequest,
  None,
  processClientCredentialsResponse,
  processGenericTokenEndpointResponse,
  processRefreshTokenResponse,
  refreshTokenGrantRequest,
  type AuthorizationServer,
  type Client,
  type ClientAuth,
  type TokenEndpointResponse,
} from 'oauth4webapi';

import { Secret } from '../protocol/secret.ts';
import type { HttpsFetch } from '../tls/https-fetch.ts';
import type { OAuthAccount } from './account.ts';
import { clientAuthOf, signedAssertion } from './client-proof.ts';
import { asTokenError } from './refusal.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** For a provider that does not say how long its tokens live. */
const UNTOLD_LIFETIME_S = 600;

export interface TokenReply {
  readonly accessToken: Secret;
  /** A new one, where the provider gives one. */
  readonly refreshToken: Secret | undefined;
  readonly lifetimeMs: number;
}

/** What the functions of the library want to know. */
export interface Speaker {
  readonly server: AuthorizationServer;
  readonly client: Client;
  readonly auth: ClientAuth;
  readonly options: { readonly [customFetch]: HttpsFetch; readonly signal: AbortSignal };
}

export class TokenEndpoint {
  readonly #account: OAuthAccount;
  readonly #fetch: HttpsFetch;

  constructor(account: OAuthAccount, fetch: HttpsFetch) {
    this.#account = account;
    this.#fetch = async (url, init) => withoutDistraction(await fetch(url, init));
  }

  /** For the log and for people. */
  get host(): string {
    return new URL(this.#account.endpoints.tokenUrl).host;
  }

  /** @throws {TokenError} */
  async refresh(refreshToken: Secret, signal: AbortSignal): Promise<TokenReply> {
    return this.#ask([refreshToken], async () => {
      const { server, client, auth, options } = this.speaker(signal);
      const response = await refreshTokenGrantRequest(server, client, auth, refreshToken.reveal(), options);
      return processRefreshTokenResponse(server, client, response);
    });
  }

  /** @throws {TokenError} */
  async clientCredentials(signal: AbortSignal): Promise<TokenReply> {
    return this.#ask([], async () => {
      const { server, client, auth, options } = this.speaker(signal);
      const { scope } = this.#account.endpoints;
      const parameters = scope === '' ? {} : { scope };
      const response = await clientCredentialsGrantRequest(server, client, auth, parameters, options);
      return processClientCredentialsResponse(server, client, response);
    });
  }

  /** @throws {TokenError} */
  async serviceAccount(signal: AbortSignal): Promise<TokenReply> {
    const { grant, endpoints, user } = this.#account;
    if (grant.kind !== 'service-account') throw new TypeError('the account has another grant');
    const claims = { audience: endpoints.tokenUrl, scope: endpoints.scope, subject: user };
    const assertion = await signedAssertion(grant.account, claims);
    return this.#ask([new Secret(assertion)], async () => {
      const { server, client, options } = this.speaker(signal);
      // The assertion says who asks; there is no client beside it (RFC 7521 §4.1).
      const auth = withoutClientId(None());
      const parameters = { assertion };
      const response = await genericTokenEndpointRequest(
        server,
        client,
        auth,
        JWT_BEARER,
        parameters,
        options,
      );
      return processGenericTokenEndpointResponse(server, client, response);
    });
  }

  /** For the flows of `sealpost login`. */
  speaker(signal: AbortSignal): Speaker {
    const { endpoints, clientId, clientProof, grant } = this.#account;
    const { tokenUrl, deviceUrl, authorizationUrl } = endpoints;
    return {
      server: {
        issuer: tokenUrl, // all that is known of it; it is the audience of our assertions, too
        token_endpoint: tokenUrl,
        ...(deviceUrl === undefined ? {} : { device_authorization_endpoint: deviceUrl }),
        ...(authorizationUrl === undefined ? {} : { authorization_endpoint: authorizationUrl }),
      },
      client: { client_id: grant.kind === 'service-account' ? grant.account.email : clientId },
      auth: clientAuthOf(clientProof),
      options: { [customFetch]: this.#fetch, signal },
    };
  }

  /**
   * Asks and reads the answer.
   *
   * @param sent what must not come back in a text that is shown
   * @throws {TokenError}
   */
  async #ask(sent: readonly Secret[], ask: () => Promise<TokenEndpointResponse>): Promise<TokenReply> {
    try {
      return tokenReply(await ask());
    } catch (error) {
      throw this.failure(error, sent);
    }
  }

  /**
   * What an error of the library, of the fetch or of TLS means; mistakes of ours come back as they are.
   *
   * @param sent what must not come back in a text that is shown
   */
  failure(error: unknown, sent: readonly Secret[] = []): unknown {
    const { clientProof } = this.#account;
    return asTokenError(error, [...sent, ...(clientProof.kind === 'secret' ? [clientProof.secret] : [])]);
  }
}

/**
 * A response without what the library would stumble over though it says nothing to us.
 *
 * With a WWW-Authenticate field it leaves the body unread, which tells more. An ID token, which comes for a login that was
 * made elsewhere with the scope openid, would have to be from an issuer that we do not know; and some providers say null
 * for what they do not give.
 */
async function withoutDistraction(response: Response): Promise<Response> {
  const { status, headers } = response;
  headers.delete('www-authenticate');
  if (status !== 200) return response;
  const text = await response.text();
  return new Response(withoutIdToken(text), { status, headers });
}

function withoutIdToken(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return text;
    const fields = Object.entries(value).filter(([name, one]) => name !== 'id_token' && one !== null);
    return JSON.stringify(Object.fromEntries(fields));
  } catch {
    return text; // the library says what is wrong with it
  }
}

export function tokenReply(response: TokenEndpointResponse): TokenReply {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: lifetime } = response;
  return {
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    lifetimeMs: (lifetime ?? UNTOLD_LIFETIME_S) * 1_000,
  };
}

function withoutClientId(auth: ClientAuth): ClientAuth {
  return async (server, client, body, headers) => {
    await auth(server, client, body, headers);
    body.delete('client_id');
  };
}
