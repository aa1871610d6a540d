/**
 * A real authorization server (oidc-provider) over https on localhost, with clients of every kind that the relay can be.
 *
 * Guarantees: every request to its token endpoint is counted, every token it gives is on record, for canary tests.
 */
import { createPublicKey, generateKeyPairSync, verify, type KeyObject, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { text } from 'node:stream/consumers';

import { errors, Provider, type Context, type StoredToken } from 'oidc-provider';

import type { Identity, TestAuthority } from './pki.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

export const CLIENT_SECRET = 'c4nary-cl1ent-s3cret~with+odd/characters=';
export const SCOPE = 'mail offline_access';
export const SERVICE_ACCOUNT_EMAIL = 'relay@project.example.test';

/** Bits of an opaque token. */
const SHORT_TOKEN = 256;

export interface AuthorizationServerOptions {
  /** Instead of a good certificate for localhost. */
  readonly identity?: Identity;
  /** Bits of randomness in a token: six make a character. */
  readonly tokenBits?: number;
}

/** What happens to a request before the server sees it. @returns whether it was answered */
export type Interception = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export class AuthorizationServer {
  /** Grant types, in the order of the requests. */
  readonly tokenRequests: string[] = [];
  /** Tokens and codes that were given out. */
  readonly issued = new Set<string>();
  /** Headers of client assertions and assertions. */
  readonly assertionHeaders: Readonly<Record<string, unknown>>[] = [];
  /** The key of the client `certificate-client`, and of the service account. */
  readonly clientIdentity: Identity;
  readonly serviceAccountKey: KeyObject;
  /** Of access tokens that are given from now on, seconds. */
  lifetime = 3_600;
  intercept: Interception | undefined;
  #server: Server;
  #provider: Provider | undefined;

  private constructor(server: Server, clientIdentity: Identity) {
    this.#server = server;
    this.clientIdentity = clientIdentity;
    this.serviceAccountKey = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  }

  static async start(
    authority: TestAuthority,
    options: AuthorizationServerOptions = {},
  ): Promise<AuthorizationServer> {
    const server = createServer({ ...(options.identity ?? authority.issue()) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const started = new AuthorizationServer(server, authority.issue({ key: 'rsa' }));
    started.#serve(options.tokenBits ?? SHORT_TOKEN);
    return started;
  }

  get issuer(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server is not listening');
    return `https://localhost:${address.port}`;
  }

  get tokenUrl(): string {
    return `${this.issuer}/token`;
  }

  get deviceUrl(): string {
    return `${this.issuer}/device/auth`;
  }

  get authorizationUrl(): string {
    return `${this.issuer}/auth`;
  }

  /** What a browser would have led to: a refresh token for the user of a client. */
  async refreshToken(clientId: string, accountId: string): Promise<string> {
    const provider = this.#running;
    const client = await provider.Client.find(clientId);
    const grant = new provider.Grant({ clientId, accountId });
    grant.addOIDCScope(SCOPE);
    const grantId = await grant.save();
    const gty = 'authorization_code';
    return new provider.RefreshToken({ client, accountId, grantId, scope: SCOPE, gty }).save();
  }

  /** Whether it gave out that access token and it still counts. */
  async isValid(token: string): Promise<boolean> {
    const provider = this.#running;
    const found = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
    return found !== undefined;
  }

  /** Whether it gave out that refresh token and would take it. */
  async isRefreshable(refreshToken: string): Promise<boolean> {
    const found = await this.#running.RefreshToken.find(refreshToken);
    return found !== undefined && found.consumed === undefined;
  }

  async revoke(refreshToken: string): Promise<void> {
    await (await this.#running.RefreshToken.find(refreshToken))?.destroy();
  }

  /** A key file as Google gives it. */
  serviceAccountFile(): string {
    return JSON.stringify({
      type: 'service_account',
      client_email: SERVICE_ACCOUNT_EMAIL,
      private_key: this.serviceAccountKey.export({ type: 'pkcs8', format: 'pem' }),
      private_key_id: 'key-1',
      token_uri: this.tokenUrl,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  get #running(): Provider {
    if (this.#provider === undefined) throw new Error('the server is not ready');
    return this.#provider;
  }

  #serve(tokenBits: number): void {
    const provider = quietly(() => new Provider(this.issuer, this.#configuration(tokenBits)));
    provider.registerGrantType(JWT_BEARER, async (context) => this.#bearerGrant(provider, context), [
      'assertion',
    ]);
    for (const kind of ['access_token', 'refresh_token', 'client_credentials', 'device_code'])
      provider.on(`${kind}.saved`, ({ jti }: StoredToken) => this.issued.add(jti));
    this.#provider = provider;
    const listener = provider.callback();
    this.#server.on('request', (request, response) => void this.#take(listener, request, response));
  }

  async #take(listener: RequestListener, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if ((await this.intercept?.(request, response)) === true) return;
    if (request.url !== '/token') return listener(request, response);
    // Google's token endpoint takes an assertion without a client; here the client is the issuer of the assertion.
    const fields = new URLSearchParams(await text(request));
    this.tokenRequests.push(fields.get('grant_type') ?? '');
    const assertion = fields.get('assertion');
    if (assertion !== null && !fields.has('client_id')) fields.set('client_id', 'service-account');
    quietly(() => listener(Object.assign(request, { body: Object.fromEntries(fields) }), response));
  }

  #configuration(tokenBits: number): object {
    const base = { redirect_uris: [], response_types: [], scope: SCOPE };
    const { cert } = this.clientIdentity;
    const jwk = createPublicKey(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'pem' }));
    return {
      clients: [
        {
          ...base,
          client_id: 'native-client',
          application_type: 'native',
          token_endpoint_auth_method: 'none',
          grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
          response_types: ['code'],
          redirect_uris: ['http://127.0.0.1'],
        },
        {
          ...base,
          client_id: 'secret-client',
          client_secret: CLIENT_SECRET,
          token_endpoint_auth_method: 'client_secret_post',
          grant_types: ['client_credentials', 'refresh_token'],
        },
        {
          ...base,
          client_id: 'header-client',
          client_secret: CLIENT_SECRET,
          token_endpoint_auth_method: 'client_secret_basic',
          grant_types: ['client_credentials'],
        },
        {
          ...base,
          client_id: 'certificate-client',
          token_endpoint_auth_method: 'private_key_jwt',
          token_endpoint_auth_signing_alg: 'PS256',
          jwks: { keys: [{ ...jwk.export({ format: 'jwk' }), use: 'sig' }] },
          grant_types: ['client_credentials'],
        },
        {
          ...base,
          client_id: 'service-account',
          token_endpoint_auth_method: 'none',
          grant_types: [JWT_BEARER],
        },
      ],
      scopes: ['mail', 'offline_access'],
      features: {
        clientCredentials: { enabled: true },
        deviceFlow: { enabled: true },
        devInteractions: { enabled: true },
        revocation: { enabled: true },
      },
      formats: { bitsOfOpaqueRandomness: tokenBits },
      clockTolerance: 0,
      rotateRefreshToken: true,
      issueRefreshToken: () => true,
      ttl: {
        AccessToken: () => this.lifetime,
        ClientCredentials: () => this.lifetime,
        RefreshToken: 86_400,
        DeviceCode: 600,
        AuthorizationCode: 60,
        Grant: 86_400,
        Interaction: 600,
        Session: 600,
      },
      cookies: { keys: ['only for tests'] },
      jwks: {
        keys: [generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey.export({ format: 'jwk' })],
      },
      assertJwtClientAuthClaimsAndHeader: (
        _context: unknown,
        _claims: unknown,
        header: Readonly<Record<string, unknown>>,
      ) => void this.assertionHeaders.push(header),
      findAccount: (_context: unknown, accountId: string) => ({
        accountId,
        claims: () => ({ sub: accountId }),
      }),
    };
  }

  /** RFC 7523 §3, with what Google wants to know. */
  async #bearerGrant(provider: Provider, context: Context): Promise<void> {
    const { client, params } = context.oidc;
    const [header = '', payload = '', signature = ''] = (params['assertion'] ?? '').split('.');
    const isSigned = verify(
      'sha256',
      Buffer.from(`${header}.${payload}`),
      createPublicKey(this.serviceAccountKey),
      Buffer.from(signature, 'base64url'),
    );
    const claims = fieldsOf(payload);
    this.assertionHeaders.push(fieldsOf(header));
    const isMeant = claims['iss'] === SERVICE_ACCOUNT_EMAIL && claims['aud'] === this.tokenUrl;
    if (!isSigned || !isMeant) throw new errors.InvalidGrant('the assertion does not count');
    const accountId = String(claims['sub']);
    const grant = new provider.Grant({ clientId: 'service-account', accountId });
    const scope = String(claims['scope']);
    grant.addOIDCScope(scope);
    const grantId = await grant.save();
    const token = new provider.AccessToken({ client, accountId, grantId, scope, gty: JWT_BEARER });
    const expiresIn = this.lifetime;
    context.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: expiresIn };
  }
}

function fieldsOf(part: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

/** The server warns people who might run it in earnest like this. */
function quietly<T>(act: () => T): T {
  const { info, warn } = console;
  Object.assign(console, { info: () => undefined, warn: () => undefined });
  try {
    return act();
  } finally {
    Object.assign(console, { info, warn });
  }
}
