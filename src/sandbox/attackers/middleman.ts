/**
 * A man in the middle on TCP: accepts the relay, connects to the true upstream, passes octets both ways and keeps them.
 *
 * Guarantees: what is kept is what the relay's side of the wire carried, in order; what a tamperer gives for one piece
 * leaves in one write, so in one segment as long as it fits.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

import type { Endpoint } from '../sandbox.ts';

/** Who sent octets on the wire between relay and upstream. */
export type Side = 'relay' | 'upstream';

/** Octets as they came by, in the order in which they came. */
export interface Segment {
  readonly from: Side;
  readonly octets: Buffer;
}

/** Replaces what the upstream says to the relay; one for each connection. */
export type Tamper = (octets: Buffer) => Buffer;

export class Middleman {
  /** Where the relay is to connect. */
  readonly endpoint: Endpoint;
  /** Of all connections. */
  readonly segments: Segment[] = [];
  readonly #server: Server;
  readonly #upstream: Endpoint;
  readonly #newTamper: () => Tamper;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, endpoint: Endpoint, upstream: Endpoint, newTamper: () => Tamper) {
    this.#server = server;
    this.endpoint = endpoint;
    this.#upstream = upstream;
    this.#newTamper = newTamper;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /**
   * Stands before an upstream, on a free port of 127.0.0.1.
   *
   * @param newTamper makes what alters a connection; without it the middleman only records
   */
  static async before(upstream: Endpoint, newTamper: () => Tamper = () => passOn): Promise<Middleman> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the middleman has no TCP address');
    return new Middleman(server, { host: address.address, port: address.port }, upstream, newTamper);
  }

  /** Everything one side sent, over all connections. */
  octetsFrom(side: Side): Buffer {
    return Buffer.concat(this.segments.filter(({ from }) => from === side).map(({ octets }) => octets));
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(relay: Socket): void {
    const upstream = connect({ ...this.#upstream, noDelay: true });
    const tamper = this.#newTamper();
    this.#pass('relay', relay, upstream, passOn);
    this.#pass('upstream', upstream, relay, tamper);
  }

  #pass(from: Side, source: Socket, sink: Socket, tamper: Tamper): void {
    this.#sockets.add(source);
    source.on('data', (chunk: Buffer) => {
      const octets = tamper(chunk);
      if (octets.length === 0) return;
      this.segments.push({ from, octets });
      if (!sink.write(octets)) {
        source.pause();
        sink.once('drain', () => source.resume());
      }
    });
    source.on('end', () => sink.end());
    source.on('error', () => sink.destroy()); // a reset on one side is one on the other
    source.on('close', () => {
      this.#sockets.delete(source);
      sink.end();
    });
  }
}

function passOn(octets: Buffer): Buffer {
  return octets;
}
