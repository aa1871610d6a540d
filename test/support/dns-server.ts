/**
 * A DNS server that answers as the test says: UDP and TCP on one port of loopback, or TLS.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

import {
  AUTHENTIC_DATA,
  decode,
  encode,
  TRUNCATED_RESPONSE,
  type Answer,
  type DecodedPacket,
} from 'dns-packet';

import type { Identity } from './pki.ts';

export interface Query {
  readonly name: string;
  readonly type: string;
  readonly isUnchecked: boolean;
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly packet: DecodedPacket;
  /** Of the sender. */
  readonly port: number;
}

/** The datagrams or messages that a query draws, in order. */
export type Respond = (query: Query) => Answers | Promise<Answers>;

type Answers = readonly Buffer[] | 'hang-up';

export interface Content {
  readonly id?: number;
  readonly code?: number;
  readonly isSecure?: boolean;
  readonly isTruncated?: boolean;
  /** Asked for, as the response repeats it. */
  readonly name?: string;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
}

/** A response to a query; without content an empty NOERROR. */
export function response({ packet }: Pick<Query, 'packet'>, content: Content = {}): Buffer {
  const { id = packet.id ?? 0, code = 0, answers = [], authorities = [], name } = content;
  const flags =
    code |
    (content.isSecure === true ? AUTHENTIC_DATA : 0) |
    (content.isTruncated === true ? TRUNCATED_RESPONSE : 0);
  const questions = (packet.questions ?? []).map((one) => ({ ...one, name: name ?? one.name }));
  return encode({
    type: 'response',
    id,
    flags,
    questions,
    answers: [...answers],
    authorities: [...authorities],
  });
}

export function a(name: string, address: string, ttl = 60): Answer {
  return { type: 'A', class: 'IN', name, ttl, data: address };
}

export function cname(name: string, target: string, ttl = 60): Answer {
  return { type: 'CNAME', class: 'IN', name, ttl, data: target };
}

export function tlsa(name: string, ttl = 60): Answer {
  const data = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32, 7) };
  return { type: 'TLSA', class: 'IN', name, ttl, data };
}

export function soa(ttl: number, minimum: number): Answer {
  return {
    type: 'SOA',
    class: 'IN',
    name: 'test',
    ttl,
    data: { mname: 'ns.test', rname: 'host.test', minimum },
  };
}

export class DnsServer implements AsyncDisposable {
  /** In the order in which they came. */
  readonly queries: Query[] = [];
  readonly #respond: Respond;
  readonly #streams = new Set<Socket>();
  readonly #waiting = new Set<() => void>();
  #udp: UdpSocket | undefined;
  #server: Server | undefined;
  /** How many connections came, the handshake done or not. */
  connections = 0;

  private constructor(respond: Respond) {
    this.#respond = respond;
  }

  /** @param identity speaks TLS with it instead of UDP and TCP */
  static async start(respond: Respond, identity?: Identity): Promise<DnsServer> {
    const server = new DnsServer(respond);
    if (identity === undefined) await server.#listenPlain();
    else
      await server.#listenStream(createTlsServer({ ...identity }, (socket) => server.#accept(socket, 'tls')));
    return server;
  }

  get port(): number {
    const address = this.#server?.address();
    if (address === null || typeof address !== 'object') throw new Error('the DNS server is not listening');
    return address.port;
  }

  /** `127.0.0.1:port` */
  get address(): { readonly kind: 'plain'; readonly host: string; readonly port: number } {
    return { kind: 'plain', host: '127.0.0.1', port: this.port };
  }

  /** Waits until so many queries came. */
  async received(count: number): Promise<void> {
    while (this.queries.length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
    }
  }

  /** Ends the connections that are open and waits until they are gone. */
  async hangUp(): Promise<void> {
    const gone = this.disconnected();
    for (const socket of this.#streams) socket.destroy();
    await gone;
  }

  /** Waits until every connection that is open has ended. */
  async disconnected(): Promise<void> {
    await Promise.all([...this.#streams].map(async (socket) => once(socket, 'close')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#server === undefined ? undefined : once(this.#server, 'close');
    this.#server?.close();
    this.#udp?.close();
    for (const socket of this.#streams) socket.destroy();
    await closed;
  }

  /** A port that is free for TCP may be taken for UDP; then another one is tried. */
  async #listenPlain(): Promise<void> {
    for (;;) {
      const server = createTcpServer((socket) => this.#accept(socket, 'tcp'));
      await this.#listenStream(server);
      const udp = createSocket('udp4');
      udp.on('message', (message, from) => this.#answerDatagram(udp, message, from));
      try {
        udp.bind(this.port, '127.0.0.1');
        await once(udp, 'listening');
        this.#udp = udp;
        return;
      } catch {
        server.close(); // and the next port
      }
    }
  }

  async #listenStream(server: Server): Promise<void> {
    server.on('connection', () => (this.connections += 1));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
  }

  #answerDatagram(udp: UdpSocket, message: Buffer, { port, address }: RemoteInfo): void {
    void this.#answer(message, 'udp', port).then((answers) => {
      if (answers !== 'hang-up') for (const one of answers) udp.send(one, port, address);
    });
  }

  #accept(socket: Socket, transport: 'tcp' | 'tls'): void {
    this.#streams.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#streams.delete(socket));
    let unread = Buffer.alloc(0);
    socket.on('data', (octets: Buffer) => {
      unread = Buffer.concat([unread, octets]);
      while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16BE(0)) {
        const end = 2 + unread.readUInt16BE(0);
        const answered = this.#answer(unread.subarray(2, end), transport, socket.remotePort ?? 0);
        unread = unread.subarray(end);
        void answered.then((answers) => {
          if (answers === 'hang-up') socket.destroy();
          else for (const one of answers) socket.write(framed(one));
        });
      }
    });
  }

  async #answer(message: Buffer, transport: Query['transport'], port: number): Promise<Answers> {
    const packet = decode(message);
    const [question] = packet.questions ?? [];
    if (question === undefined) throw new Error('a query without a question');
    const query = { ...question, isUnchecked: packet.flag_cd, transport, packet, port };
    this.queries.push(query);
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
    return this.#respond(query);
  }
}

/** With its length in front, as it goes over a stream. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
