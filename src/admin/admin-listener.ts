/**
 * The admin listener: pages over HTTP, at a port or at a socket of the file system.
 *
 * Guarantees: answers only to a Host that names loopback or the address it listens on, so that a page in a browser
 * cannot ask by a name of its own (DNS rebinding).
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { describeError } from '../log/describe-error.ts';
import type { Log } from '../log/log.ts';
import { listenAtSocket } from './local-socket.ts';
import { jsonPage, type Page, type Pages } from './page.ts';

export type AdminPlace =
  /** Port 0 picks one. */
  { readonly host: string; readonly port: number } | { readonly path: string };

export class AdminListener {
  readonly #server: Server;
  readonly #place: AdminPlace;
  readonly #pages: Pages;
  readonly #log: Log;

  constructor(place: AdminPlace, pages: Pages, log: Log) {
    this.#place = place;
    this.#pages = pages;
    this.#log = log;
    this.#server = createServer((request, response) => void this.#answer(request, response));
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
    const { status, contentType, text } = await this.#judge(request).catch((error: unknown) => {
      this.#log.emit('internal.error', describeError(error));
      return jsonPage(500, { error: 'see the log' });
    });
    response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
    response.end(text);
  }

  async #judge({ method, url = '', headers }: IncomingMessage): Promise<Page> {
    if (!this.#isOwnName(headers.host ?? '')) return jsonPage(421, { error: 'not a name of this listener' });
    if (method !== 'GET' && method !== 'HEAD') return jsonPage(405, { error: 'GET only' });
    const make = this.#pages.get(url);
    if (make === undefined)
      return jsonPage(404, { error: `there are ${[...this.#pages.keys()].join(', ')}` });
    return make();
  }

  #isOwnName(hostHeader: string): boolean {
    const name = hostHeader
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase();
    const own = 'path' in this.#place ? 'localhost' : this.#place.host;
    return ['localhost', '127.0.0.1', '::1', own].includes(name);
  }
}

function portOf(address: AddressInfo | string | null): number | undefined {
  return address === null || typeof address === 'string' ? undefined : address.port;
}
