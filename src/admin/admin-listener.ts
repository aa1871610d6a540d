/**
 * The admin listener: pages over HTTP at a port or at a socket of the file system, or over HTTPS with a certificate of the
 * operator's.
 *
 * Guarantees: a page loads nothing from another host, runs no script but ours, and stands in no frame; who may ask is said
 * in admin-access.ts.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
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

export class AdminListener {
  readonly #server: Server;
  readonly #place: AdminPlace;
  readonly #access: AdminAccess;
  readonly #pages: Pages;
  readonly #log: Log;

  constructor(place: AdminPlace, pages: Pages, log: Log) {
    const address = 'path' in place ? { host: 'localhost' } : place;
    const { host, token, identity }: Omit<AdminAddress, 'port'> = address;
    this.#place = place;
    this.#access = new AdminAccess(host, { token, cert: identity?.cert });
    this.#pages = pages;
    this.#log = log;
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response);
    this.#server =
      identity === undefined
        ? createServer(answer)
        : createTlsServer({ ...identity, minVersion: 'TLSv1.2' }, answer);
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
    if (typeof page === 'function') return page(response);
    if (page.status === 401)
      response.setHeader('www-authenticate', 'Basic realm="Sealpost", charset="UTF-8"');
    response.writeHead(page.status, { 'content-type': page.contentType });
    response.end(page.text);
  }

  async #judge({ method, url = '', headers }: IncomingMessage): Promise<Page | Stream> {
    if (!this.#access.isOwnName(headers.host)) return jsonPage(421, { error: 'not a name of this listener' });
    if (method !== 'GET' && method !== 'HEAD') return jsonPage(405, { error: 'GET only' });
    if (!this.#access.mayAsk(url, headers))
      return jsonPage(401, { error: 'say the token in SEALPOST_ADMIN_TOKEN, as the password' });
    const make = this.#pages.get(url);
    if (make === undefined)
      return jsonPage(404, { error: `there are ${[...this.#pages.keys()].join(', ')}` });
    return make();
  }
}

function portOf(address: AddressInfo | string | null): number | undefined {
  return address === null || typeof address === 'string' ? undefined : address.port;
}
