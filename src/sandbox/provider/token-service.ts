/**
 * Gives out access tokens for a simulated account to one client that proves itself with a secret (RFC 6749 §4.4).
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { text } from 'node:stream/consumers';

export const CLIENT_ID = '11111111-2222-3333-4444-555555555555';
export const CLIENT_SECRET = 'canary~client~secret';

/** PEM. */
interface Identity {
  readonly key: string;
  readonly cert: string;
}

export class TokenService implements AsyncDisposable {
  /** Bodies of the requests for tokens. */
  readonly requests: URLSearchParams[] = [];
  readonly #server: Server;
  #issued = 0;

  private constructor(identity: Identity, given: (token: string) => void, prefix: string) {
    this.#server = createServer(identity, (request, response) => {
      void text(request).then((body) => {
        const form = new URLSearchParams(body);
        this.requests.push(form);
        const isRight = form.get('client_id') === CLIENT_ID && form.get('client_secret') === CLIENT_SECRET;
        const token = `${prefix}${(this.#issued += 1)}`;
        if (isRight) given(token);
        const answer = isRight
          ? { access_token: token, token_type: 'Bearer', expires_in: 3_599 }
          : { error: 'invalid_client' };
        response.writeHead(isRight ? 200 : 401, {
          'content-type': 'application/json',
          'cache-control': 'no-store',
        });
        response.end(JSON.stringify(answer));
      });
    });
  }

  /** @param given told of each token before the client has it @param prefix that tokens begin with */
  static async start(
    identity: Identity,
    given: (token: string) => void,
    prefix: string,
  ): Promise<TokenService> {
    const service = new TokenService(identity, given, prefix);
    service.#server.listen(0, '127.0.0.1');
    await once(service.#server, 'listening');
    return service;
  }

  /** For SEALPOST_OAUTH_TOKEN_URL. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new Error('the token service is not listening');
    return `https://localhost:${address.port}/token`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
