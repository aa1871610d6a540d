/**
 * A TLS server on a free port of loopback, for upstreams that speak for themselves.
 */
import { once } from 'node:events';
import { createServer, type Server, type TLSSocket } from 'node:tls';

import type { Identity } from './pki.ts';

export class TlsServer {
  readonly sockets = new Set<TLSSocket>();
  readonly #server: Server;

  private constructor(identity: Identity, accept: (socket: TLSSocket) => (octets: Buffer) => void) {
    this.#server = createServer({ ...identity, noDelay: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('data', accept(socket));
    });
  }

  /** @param accept called for each connection; gives what takes its octets */
  static async start(
    identity: Identity,
    accept: (socket: TLSSocket) => (octets: Buffer) => void,
  ): Promise<TlsServer> {
    const server = new TlsServer(identity, accept);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the upstream is not listening');
    return address.port;
  }

  /** Ends every connection and waits until the port is free. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
