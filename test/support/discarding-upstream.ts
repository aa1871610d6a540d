/**
 * An upstream for messages too big to keep: it counts and hashes content and forgets it.
 *
 * Guarantees: memory of its own stays flat.
 * Does not: un-stuff dots; give it content without a dot at the start of a line.
 */
import { createHash, type Hash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

import type { Identity } from './pki.ts';
import { TlsServer } from './tls-server.ts';

export interface Discarded {
  /** Of the content, trace header included. */
  readonly octets: number;
  /** Of the content from `BEGIN` on. */
  readonly sha256: string;
}

export class DiscardingUpstream {
  readonly messages: Discarded[] = [];
  readonly chunking: boolean;
  #server: TlsServer | undefined;

  private constructor(chunking: boolean) {
    this.chunking = chunking;
  }

  static async start(identity: Identity, chunking: boolean): Promise<DiscardingUpstream> {
    const upstream = new DiscardingUpstream(chunking);
    upstream.#server = await TlsServer.start(identity, (socket) => {
      const session = new Session(upstream, socket);
      return (octets) => session.take(octets);
    });
    return upstream;
  }

  get port(): number {
    if (this.#server === undefined) throw new Error('the upstream is not listening');
    return this.#server.port;
  }

  /** Stops or goes on reading, on all connections. */
  hold(held: boolean): void {
    for (const socket of this.#server?.sockets ?? []) {
      if (held) socket.pause();
      else socket.resume();
    }
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}

const END = Buffer.from('\r\n.\r\n');

/** How a message for this upstream begins, so that its hash can be known whatever was put in front. */
export const BEGIN = 'X-Begin: here\r\n';

class Session {
  readonly #upstream: DiscardingUpstream;
  readonly #socket: TLSSocket;
  #pending: Buffer = Buffer.alloc(0);
  #inData = false;
  #chunk: { left: number; last: boolean } | undefined;
  #octets = 0;
  #hash: Hash = createHash('sha256');
  /** What came before BEGIN; undefined once it was seen. */
  #front: Buffer | undefined = Buffer.alloc(0);

  constructor(upstream: DiscardingUpstream, socket: TLSSocket) {
    this.#upstream = upstream;
    this.#socket = socket;
    socket.write('220 discarding.test ESMTP\r\n');
  }

  take(octets: Buffer): void {
    this.#pending = this.#pending.length === 0 ? octets : Buffer.concat([this.#pending, octets]);
    while (this.#step());
  }

  #step(): boolean {
    if (this.#inData) return this.#takeData();
    if (this.#chunk !== undefined) return this.#takeChunk(this.#chunk);
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.#pending.subarray(0, end).toString('latin1');
    this.#pending = this.#pending.subarray(end + 2);
    this.#answer(line);
    return true;
  }

  /** Keeps back what could be the beginning of the end. */
  #takeData(): boolean {
    const end = this.#pending.indexOf(END);
    const sure = end >= 0 ? end + 2 : Math.max(0, this.#pending.length - END.length + 1);
    this.#count(this.#pending.subarray(0, sure));
    this.#pending = this.#pending.subarray(end >= 0 ? end + END.length : sure);
    if (end < 0) return false;
    this.#inData = false;
    return this.#store();
  }

  #takeChunk(chunk: { left: number; last: boolean }): boolean {
    const now = this.#pending.subarray(0, chunk.left);
    this.#count(now);
    this.#pending = this.#pending.subarray(now.length);
    chunk.left -= now.length;
    if (chunk.left > 0) return false;
    this.#chunk = undefined;
    if (chunk.last) return this.#store();
    this.#socket.write('250 2.0.0 more\r\n');
    return true;
  }

  #count(octets: Buffer): void {
    this.#octets += octets.length;
    if (this.#front === undefined) {
      this.#hash.update(octets);
      return;
    }
    this.#front = Buffer.concat([this.#front, octets]);
    const begin = this.#front.indexOf(BEGIN);
    if (begin < 0) return;
    this.#hash.update(this.#front.subarray(begin));
    this.#front = undefined;
  }

  #store(): boolean {
    this.#upstream.messages.push({ octets: this.#octets, sha256: this.#hash.digest('hex') });
    this.#octets = 0;
    this.#hash = createHash('sha256');
    this.#front = Buffer.alloc(0);
    this.#socket.write('250 2.0.0 discarded\r\n');
    return true;
  }

  #answer(line: string): void {
    const [verb = '', size = '0', last = ''] = line.toUpperCase().split(' ');
    if (verb === 'BDAT') {
      this.#chunk = { left: Number(size), last: last === 'LAST' };
      return;
    }
    if (verb === 'DATA') this.#inData = true;
    const chunking = this.#upstream.chunking ? '250-CHUNKING\r\n' : '';
    const ehlo = `250-discarding.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n${chunking}250 SIZE 1000000000\r\n`;
    if (verb === 'EHLO') this.#socket.write(ehlo);
    else this.#socket.write(verb === 'DATA' ? '354 go ahead\r\n' : '250 2.0.0 ok\r\n');
    if (verb === 'QUIT') this.#socket.end();
  }
}
