/**
 * Logging in with a browser on this machine: authorization code with PKCE (RFC 7636), which comes back to a port on loopback
 * (RFC 8252 §7.3).
 *
 * Guarantees: the port is on 127.0.0.1 and is closed when the login ends; only an answer with our state counts, and only
 * one; the code is worth nothing without a verifier that never leaves this process but to the token endpoint.
 */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';

import {
  authorizationCodeGrantRequest,
  AuthorizationResponseError,
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomState,
  processAuthorizationCodeResponse,
  validateAuthResponse,
} from 'oauth4webapi';

import { printable } from '../protocol/printable.ts';
import type { Secret } from '../protocol/secret.ts';
import { LoginError, refreshTokenOf } from './login-error.ts';
import { tokenReply, type TokenEndpoint } from './token-endpoint.ts';

const DETAIL_CHARACTERS = 300;

export interface BrowserRequest {
  readonly clientId: string;
  readonly authorizationUrl: string;
  readonly scope: string;
  /** Whose login it is to be, so that nobody logs in as somebody else by mistake. */
  readonly user: string;
}

/**
 * @param tell is called once, with the URL to open
 * @param signal ends the waiting
 * @returns the refresh token
 * @throws {TokenError | LoginError}
 */
export async function browserLogin(
  endpoint: TokenEndpoint,
  wanted: BrowserRequest,
  tell: (url: string) => void,
  signal: AbortSignal,
): Promise<Secret> {
  const state = generateRandomState();
  const verifier = generateRandomCodeVerifier();
  const { server, port } = await listening();
  const redirectUri = `http://127.0.0.1:${port}`;
  try {
    const answered = callback(server, state, signal);
    tell(urlToOpen(wanted, { redirectUri, state, challenge: await calculatePKCECodeChallenge(verifier) }));
    const parameters = await answered;
    const { server: provider, client, auth, options } = endpoint.speaker(signal);
    const checked = validateAuthResponse(provider, client, parameters, state);
    const response = await authorizationCodeGrantRequest(
      provider,
      client,
      auth,
      checked,
      redirectUri,
      verifier,
      options,
    );
    return refreshTokenOf(tokenReply(await processAuthorizationCodeResponse(provider, client, response)));
  } catch (error) {
    throw error instanceof AuthorizationResponseError ? refusal(error) : endpoint.failure(error);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function listening(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer({ keepAlive: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the port is not known');
  return { server, port: address.port };
}

interface OwnPart {
  readonly redirectUri: string;
  readonly state: string;
  readonly challenge: string;
}

/** The query that is there stays (RFC 6749 §3.1). */
function urlToOpen({ authorizationUrl, clientId, scope, user }: BrowserRequest, own: OwnPart): string {
  const url = new URL(authorizationUrl);
  const parameters = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: own.redirectUri,
    ...(scope === '' ? {} : { scope }),
    state: own.state,
    code_challenge: own.challenge,
    code_challenge_method: 'S256',
    login_hint: user,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** The parameters of the first request that has our state; everything else is turned away. */
async function callback(server: Server, state: string, signal: AbortSignal): Promise<URLSearchParams> {
  const { promise, resolve, reject } = Promise.withResolvers<URLSearchParams>();
  const onAbort = (): void => reject(new LoginError('expired'));
  signal.addEventListener('abort', onAbort, { once: true });
  server.on('request', (request, response) => {
    // Anybody on this machine can ask anything here, such as `GET //`, which is no URL.
    const asked = URL.parse(request.url ?? '', 'http://127.0.0.1');
    if (request.method !== 'GET' || asked?.searchParams.get('state') !== state)
      return answer(response, 404, 'There is nothing here.');
    const { searchParams } = asked;
    const isRefused = searchParams.has('error');
    answer(
      response,
      isRefused ? 400 : 200,
      isRefused
        ? 'The login was refused; the terminal says why.'
        : 'Sealpost has the answer of your provider. You can close this window; the terminal says what comes next.',
    );
    // Which provider answered is no question where there is one; its name is not known to compare it (RFC 9207).
    searchParams.delete('iss');
    resolve(searchParams);
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      connection: 'close',
    })
    .end(`${text}\n`);
}

function refusal({ error, error_description: description = '' }: AuthorizationResponseError): LoginError {
  const text = printable(description === '' ? error : `${error}: ${description}`, DETAIL_CHARACTERS);
  return new LoginError(error === 'access_denied' ? 'denied' : 'refused', text);
}
