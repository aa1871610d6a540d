/**
 * Health over HTTP: `/livez` (the process answers) and `/readyz` (a hop to the upstream was secured lately, or can be).
 *
 * Guarantees: answers only to a Host that names loopback or the address it listens on, so that a page in a browser
 * cannot ask by a name of its own (DNS rebinding); tells words of ours, never text from an upstream.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { describeError } from '../log/describe-error.ts';
import type { Log } from '../log/log.ts';
import type { Readiness } from './health.ts';

export interface AdminAddress {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
}

export class AdminListener {
  readonly #server: Server;
  readonly #address: AdminAddress;
  readonly #readiness: Readiness;
  readonly #log: Log;

  constructor(address: AdminAddress, readiness: Readiness, log: Log) {
    this.#address = address;
    this.#readiness = readiness;
    this.#log = log;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** @throws {Error} with `code`, when the address cannot be had */
  async start(): Promise<void> {
    const listening = once(this.#server, 'listening');
    this.#server.listen(this.#address.port, this.#address.host);
    await listening;
    const bound = this.#server.address();
    const port = bound === null || typeof bound === 'string' ? this.#address.port : bound.port;
    this.#log.emit('admin.started', { host: this.#address.host, port });
  }

  /** Ends at once: nobody loses anything by it. */
  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await this.#judge(request).catch((error: unknown) => {
      this.#log.emit('internal.error', describeError(error));
      return { status: 500, body: { error: 'see the log' } };
    });
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(`${JSON.stringify(body)}\n`);
  }

  async #judge({ method, url, headers }: IncomingMessage): Promise<{ status: number; body: object }> {
    if (!this.#isOwnName(headers.host ?? ''))
      return { status: 421, body: { error: 'not a name of this listener' } };
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: { error: 'GET only' } };
    if (url === '/livez') return { status: 200, body: { alive: true } };
    if (url !== '/readyz') return { status: 404, body: { error: 'there are /livez and /readyz' } };
    const health = await this.#readiness.ask();
    return { status: health.ready ? 200 : 503, body: health };
  }

  #isOwnName(hostHeader: string): boolean {
    const name = hostHeader
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase();
    return ['localhost', '127.0.0.1', '::1', this.#address.host].includes(name);
  }
}
