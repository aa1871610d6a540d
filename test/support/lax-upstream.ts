/**
 * An upstream that ends a message wherever any real server was ever seen to end one, and more: the victim of SMTP smuggling.
 *
 * Guarantees: it is laxer than the servers of CVE-2023-51764, -51765 and -51766 together: what it does not take for an
 * end of data, they do not either. Commands end on CRLF, bare LF and bare CR.
 */
import type { TLSSocket } from 'node:tls';

import type { Identity } from './pki.ts';
import { TlsServer } from './tls-server.ts';

export interface LaxMessage {
  readonly mail: string;
  readonly content: string;
}

// A dot alone between any two line ends, blanks and stray CRs around it forgiven.
const LAX_END = /(?:^|[\r\n])\.[ \t\r]*[\r\n]/;
const LAX_LINE = /^([^\r\n]*)(?:\r\n|\n|\r)/;

export class LaxUpstream {
  readonly messages: LaxMessage[] = [];
  readonly commands: string[] = [];
  readonly chunking: boolean;
  #server: TlsServer | undefined;

  private constructor(chunking: boolean) {
    this.chunking = chunking;
  }

  static async start(identity: Identity, chunking: boolean): Promise<LaxUpstream> {
    const upstream = new LaxUpstream(chunking);
    upstream.#server = await TlsServer.start(identity, (socket) => {
      const session = new LaxSession(upstream, socket);
      return (octets) => session.take(octets);
    });
    return upstream;
  }

  get port(): number {
    if (this.#server === undefined) throw new Error('the upstream is not listening');
    return this.#server.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.stop();
  }
}

class LaxSession {
  readonly #upstream: LaxUpstream;
  readonly #socket: TLSSocket;
  #pending = '';
  #mail = '';
  #inData = false;
  #chunk: { left: number; last: boolean } | undefined;
  #chunks = '';

  constructor(upstream: LaxUpstream, socket: TLSSocket) {
    this.#upstream = upstream;
    this.#socket = socket;
    this.#socket.write('220 lax.test ESMTP\r\n');
  }

  take(octets: Buffer): void {
    this.#pending += octets.toString('latin1');
    while (this.#step());
  }

  /** Does what the pending octets allow; false when more are needed. */
  #step(): boolean {
    if (this.#inData) return this.#endData();
    if (this.#chunk !== undefined) return this.#endChunk(this.#chunk);
    const line = LAX_LINE.exec(this.#pending);
    if (line === null) return false;
    this.#pending = this.#pending.slice(line[0].length);
    if (line[1] !== undefined && line[1] !== '') this.#answer(line[1]);
    return true;
  }

  #endData(): boolean {
    const end = LAX_END.exec(this.#pending);
    if (end === null) return false;
    const content = this.#pending.slice(0, end.index);
    this.#pending = this.#pending.slice(end.index + end[0].length);
    this.#inData = false;
    return this.#store(content);
  }

  #endChunk({ left, last }: { left: number; last: boolean }): boolean {
    if (this.#pending.length < left) return false;
    this.#chunks += this.#pending.slice(0, left);
    this.#pending = this.#pending.slice(left);
    this.#chunk = undefined;
    if (last) return this.#store(this.#chunks);
    this.#socket.write('250 more\r\n');
    return true;
  }

  #store(content: string): boolean {
    this.#upstream.messages.push({ mail: this.#mail, content });
    this.#socket.write('250 2.0.0 stored\r\n');
    return true;
  }

  #answer(line: string): void {
    this.#upstream.commands.push(line);
    const verb = line.split(' ', 1)[0]?.toUpperCase();
    if (verb === 'MAIL') this.#mail = line;
    if (verb === 'MAIL') this.#chunks = '';
    if (verb === 'DATA') this.#inData = true;
    if (verb === 'BDAT') {
      this.#chunk = { left: Number(line.split(' ')[1]), last: /\bLAST\b/i.test(line) };
      return;
    }
    this.#socket.write(this.#reply(verb));
    if (verb === 'QUIT') this.#socket.end();
  }

  #reply(verb: string | undefined): string {
    if (verb === 'EHLO') {
      const chunking = this.#upstream.chunking ? '250-CHUNKING\r\n' : '';
      return `250-lax.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n${chunking}250 SIZE 10000000\r\n`;
    }
    return verb === 'DATA' ? '354 go ahead\r\n' : '250 2.0.0 ok\r\n';
  }
}
