/**
 * The admin listener: pages over HTTP at a port or at a socket of the file system, or over HTTPS with a certificate of the
 * operator's.
 *
 * Guarantees: a page loads nothing from another host, runs no script but ours, and stands in no frame; those who ask take no
 * more than so many of the connections that mail needs too; who may ask is said in admin-access.ts.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

import { describeError } from '../log/describe-error.ts';
import type { Log } from '../log/log.ts';
import type { Secret } from '../protocol/secret.ts';
import { AdminAccess } from './admin-access.ts';
import { listenAtSocket } from './local-socket.ts';
import { jsonPage, type Page, type Pages, type Stream } from './page.ts';

/** A port of this machine or of the network. */
export interface AdminAddress {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** Whoever asks has to say it; needed beyond loopback. */
  readonly token?: Secret | undefined;
  /** PEM; needed beyond loopback. */
  readonly identity?: { readonly cert: string; readonly key: string } | undefined;
}

export type AdminPlace = AdminAddress | { readonly path: string };

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Far more than look; each takes a file descriptor, of which clients and upstreams need theirs. */
const MOST_CONNECTIONS = 100;
/** For what is to be said before there is an answer. */
const PATIENCE_MS = 10_000;

export class AdminListener {
  readonly #server: Server;
  #place: AdminPlace;
  #access: AdminAccess;
  readonly #pages: Pages;
  readonly #log: Log;

  constructor(place: AdminPlace, pages: Pages, log: Log) {
    this.#place = place;
    this.#access = accessTo(place);
    this.#pages = pages;
    this.#log = log;
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response);
    const tls = tlsOptionsOf(place);
    const patience = { headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS };
    this.#server =
      tls === undefined
        ? createServer(patience, answer)
        : createTlsServer({ ...patience, ...tls, handshakeTimeout: PATIENCE_MS }, answer);
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  /** @throws {Error} with `code`, when the place cannot be had */
  async start(): Promise<void> {
    if ('path' in this.#place) return listenAtSocket(this.#server, this.#place.path);
    const { host, port } = this.#place;
    const listening = once(this.#server, 'listening');
    this.#server.listen(port, host);
    await listening;
    const bound = this.#server.address();
    this.#log.emit('admin.started', { host, port: portOf(bound) ?? port });
  }

  /**
   * Certificate and token of this place count from now on. With another token whoever reads on has to say it.
   *
   * @param place where it listens already
   */
  renew(place: AdminPlace): void {
    const [before, now] = [tokenOf(this.#place), tokenOf(place)];
    this.#place = place;
    this.#access = accessTo(place);
    const tls = tlsOptionsOf(place);
    if (tls !== undefined && this.#server instanceof TlsServer) this.#server.setSecureContext(tls);
    if (before?.reveal() !== now?.reveal()) this.#server.closeAllConnections();
  }

  /** Ends at once: nobody loses anything by it. */
  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = await this.#judge(request).catch((error: unknown) => {
      this.#log.emit('internal.error', describeError(error));
      return jsonPage(500, { error: 'see the log' });
    });
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (typeof page === 'function') return request.method === 'HEAD' ? void response.end() : page(response);
    if (page.status === 401)
      response.setHeader('www-authenticate', 'Basic realm="Sealpost", charset="UTF-8"');
    if (page.status === 405) response.setHeader('allow', 'GET, HEAD');
    response.writeHead(page.status, { 'content-type': page.contentType });
    response.end(page.text);
  }

  async #judge({ method, url = '', headers, headersDistinct }: IncomingMessage): Promise<Page | Stream> {
    const [, anotherHost] = headersDistinct['host'] ?? [];
    if (anotherHost !== undefined) return jsonPage(400, { error: 'one Host only' }); // RFC 9112 §3.2
    if (!this.#access.isOwnName(headers.host)) return jsonPage(421, { error: 'not a name of this listener' });
    if (method !== 'GET' && method !== 'HEAD') return jsonPage(405, { error: 'GET only' });
    const [path = ''] = url.split('?', 1);
    if (!this.#access.mayAsk(path, headers))
      return jsonPage(401, { error: 'say the token in SEALPOST_ADMIN_TOKEN, as the password' });
    const make = this.#pages.get(path);
    if (make === undefined)
      return jsonPage(404, { error: `there are ${[...this.#pages.keys()].join(', ')}` });
    return make();
  }
}

function accessTo(place: AdminPlace): AdminAccess {
  if ('path' in place) return new AdminAccess('localhost', {});
  return new AdminAccess(place.host, { token: place.token, cert: place.identity?.cert });
}

function tokenOf(place: AdminPlace): Secret | undefined {
  return 'path' in place ? undefined : place.token;
}

function tlsOptionsOf(place: AdminPlace): ServerOptions | undefined {
  if ('path' in place || place.identity === undefined) return undefined;
  return { ...place.identity, minVersion: 'TLSv1.2' };
}

function portOf(address: AddressInfo | string | null): number | undefined {
  return address === null || typeof address === 'string' ? undefined : address.port;
}
