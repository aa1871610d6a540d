/**
 * One connection to a scripted upstream: a good submission session, with single answers replaced by the script.
 *
 * Guarantees: what arrives in clear and what arrives inside TLS is recorded apart, octet for octet. Messages by DATA are
 * un-stuffed at CRLF only, as RFC 5321 §4.5.2 has it.
 */
import type { Socket } from 'node:net';
import { TLSSocket, createSecureContext, type SecureContextOptions } from 'node:tls';

import { CLOSE, SILENCE } from '../../src/sandbox/provider/simulated-session.ts';
import { ContentReader } from './content-reader.ts';
import type { Identity } from './pki.ts';
import { tamperedWire, type Tampering } from './record-tampering.ts';

/** What a script answers: text for the wire as it is (CRLF included), or nothing at all, or the end of the connection. */
export type Answer = string | Buffer | typeof SILENCE | typeof CLOSE | typeof RESET;
export { CLOSE, SILENCE };
export const RESET = { instead: 'reset' } as const;

export interface Script {
  readonly mode: 'implicit' | 'starttls';
  readonly identity: Identity;
  readonly port?: number;
  readonly host?: string;
  readonly tls?: SecureContextOptions;
  readonly greeting?: Answer;
  /** EHLO keywords in clear; STARTTLS alone by default. */
  readonly clearKeywords?: readonly string[];
  /** EHLO keywords inside TLS. */
  readonly keywords?: readonly string[];
  /** Replaces the answer to one command line; undefined leaves the default. Async answers are waited for. */
  readonly answer?: (line: string, at: Connection) => Answer | undefined | Promise<Answer | undefined>;
  /** Replaces the verdict after the final dot or BDAT LAST. */
  readonly verdict?: (message: Message, at: Connection) => Answer | Promise<Answer>;
  /** Called with each piece of content; may pause or destroy the socket. */
  readonly onContent?: (octets: number, at: Connection) => void;
  /** Called as soon as a connection is accepted, before the greeting: for what no single answer can say. */
  readonly onConnection?: (at: Connection) => unknown;
  /** Called when the handshake with the relay is complete on this side. */
  readonly onSecure?: (at: Connection) => unknown;
  /** Content that is counted and not kept, for more than a test should hold: where this says `false` to the MAIL line. */
  readonly keepContent?: boolean | ((mail: string) => boolean);
  /** Sits on the wire between the relay and this server and alters TLS records. */
  readonly tamper?: Tampering;
}

export interface Message {
  readonly mail: string;
  readonly rcpts: readonly string[];
  /** Without dot-stuffing and without the final dot; empty with `keepContent: false`. */
  readonly content: Buffer;
  /** Length of the content, kept or not. */
  readonly octets: number;
  readonly by: 'DATA' | 'BDAT';
}

export const GOOD_KEYWORDS = [
  'PIPELINING',
  'SIZE 52428800',
  '8BITMIME',
  'SMTPUTF8',
  'ENHANCEDSTATUSCODES',
  'DSN',
  'AUTH PLAIN LOGIN',
];

/** Who wants to know: the upstream that accepted the connection. */
export interface Observer {
  received(message: Message): void;
  changed(): void;
}

/** One connection from the relay, playing the script that was on when it came. */
export class Connection {
  readonly raw: Socket;
  readonly script: Script;
  readonly commands: string[] = [];
  closed = false;
  /** TLS was begun (not: the handshake is complete). */
  secure = false;
  socket: Socket;
  #observer: Observer;
  #clear: Buffer[] = [];
  #secured: Buffer[] = [];
  #pending: Buffer = Buffer.alloc(0);
  #mail = '';
  #rcpts: string[] = [];
  #content: Buffer[] = [];
  #octets = 0;
  #state: 'commands' | 'data' | 'bdat' | 'auth' = 'commands';
  #data = new ContentReader();
  #bdat = { octets: 0, left: 0, last: false };
  #authSteps = 0;
  #busy: Promise<void> = Promise.resolve();

  constructor(socket: Socket, script: Script, observer: Observer) {
    this.#observer = observer;
    this.script = script;
    this.raw = socket;
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      observer.changed();
    });
  }

  /** Everything that came before TLS was begun, or without it. */
  get clear(): Buffer {
    return Buffer.concat(this.#clear);
  }

  /** Everything that came inside TLS; with `keepContent: false` without content. */
  get secured(): Buffer {
    return Buffer.concat(this.#secured);
  }

  /** Starts the session as the script has it. */
  begin(): void {
    const { mode, greeting, onConnection } = this.script;
    onConnection?.(this);
    if (mode === 'implicit') this.startTls();
    else this.#listen(this.socket);
    this.write(greeting ?? '220 upstream.test ESMTP\r\n');
  }

  /** Does one answer: writes it, stays silent, or ends the connection. */
  write(answer: Answer): void {
    if (answer === SILENCE) return;
    if (answer === CLOSE) this.socket.end();
    else if (answer === RESET) this.raw.resetAndDestroy();
    else if (typeof answer === 'string' || Buffer.isBuffer(answer)) this.socket.write(answer);
  }

  destroy(): void {
    this.raw.destroy();
  }

  /** Starts TLS as the server; what is written from here on goes inside. */
  startTls(): void {
    this.raw.removeAllListeners('data');
    const { identity, tls, onSecure, tamper } = this.script;
    const secureContext = createSecureContext({ ...identity, ...tls });
    const wire = tamper === undefined ? this.raw : tamperedWire(this.raw, tamper);
    const socket = new TLSSocket(wire, { isServer: true, secureContext });
    socket.on('error', () => setImmediate(() => this.raw.destroy())); // behind a tampered wire Node does not
    let isHandshakeDone = false;
    socket.on('secure', () => {
      isHandshakeDone = true;
      onSecure?.(this);
    });
    // A relay that leaves within the handshake leaves a greeting that can never be written; Node would wait for that.
    socket.on('end', () => isHandshakeDone || this.raw.destroy());
    this.socket = socket;
    this.secure = true;
    this.#listen(socket);
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      const isContent = this.#state === 'data' || this.#state === 'bdat';
      if (!this.secure) this.#clear.push(chunk);
      else if (!isContent || this.#keepsContent) this.#secured.push(chunk);
      if (isContent) this.script.onContent?.(chunk.length, this);
      this.#busy = this.#busy.then(async () => this.#take(chunk));
    });
  }

  get #keepsContent(): boolean {
    const { keepContent } = this.script;
    return typeof keepContent === 'function' ? keepContent(this.#mail) : keepContent !== false;
  }

  /** Every state takes what it can and leaves the rest; only an unfinished line is ever left for the next octets. */
  async #take(chunk: Buffer): Promise<void> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const state = this.#state;
      const before = this.#pending.length;
      if (state === 'data') await this.#takeData();
      else if (state === 'bdat') await this.#takeChunk();
      else await this.#takeLine();
      if (this.#pending.length === before && this.#state === state) return;
    }
  }

  async #takeLine(): Promise<void> {
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) return;
    const line = this.#pending.subarray(0, end).toString('latin1');
    this.#pending = this.#pending.subarray(end + 2);
    if (this.secure) this.commands.push(line);
    this.#observer.changed();
    const own = await this.script.answer?.(line, this);
    if (own !== undefined) this.write(own);
    else if (this.#state === 'auth') this.#takeAuthStep();
    else this.#answer(line);
  }

  #answer(line: string): void {
    const verb = line.split(' ', 1)[0]?.toUpperCase() ?? '';
    if (verb === 'EHLO') return this.write(this.#ehlo());
    if (verb === 'STARTTLS' && !this.secure) {
      this.write('220 2.0.0 Ready to start TLS\r\n');
      return this.startTls();
    }
    if (!this.secure && verb !== 'QUIT')
      return this.write('530 5.7.0 Must issue a STARTTLS command first\r\n');
    return this.#answerInside(verb, line);
  }

  #answerInside(verb: string, line: string): void {
    switch (verb) {
      case 'AUTH':
        this.#authSteps = line.split(' ')[1]?.toUpperCase() === 'LOGIN' ? 2 : 1;
        if (line.split(' ').length > 2) return this.write('235 2.7.0 Authentication successful\r\n');
        this.#state = 'auth';
        return this.write(this.#authSteps === 2 ? '334 VXNlcm5hbWU6\r\n' : '334 \r\n');
      case 'MAIL':
        this.#reset(line);
        return this.write('250 2.1.0 Sender ok\r\n');
      case 'RCPT':
        this.#rcpts.push(line);
        return this.write('250 2.1.5 Recipient ok\r\n');
      case 'DATA':
        this.takeData();
        return this.write('354 Go ahead\r\n');
      case 'BDAT': {
        const octets = Number(line.split(' ')[1]);
        this.#bdat = { octets, left: octets, last: /\bLAST\b/i.test(line) };
        this.#state = 'bdat';
        return;
      }
      case 'RSET':
        this.#reset('');
        return this.write('250 2.0.0 Reset\r\n');
      case 'NOOP':
        return this.write('250 2.0.0 Ok\r\n');
      case 'QUIT':
        this.write('221 2.0.0 Bye\r\n');
        return this.write(CLOSE);
      default:
        return this.write('500 5.5.2 Unknown command\r\n');
    }
  }

  /** Takes what follows as content, whatever was answered to DATA. */
  takeData(): void {
    this.#state = 'data';
    this.#data = new ContentReader();
  }

  #takeAuthStep(): void {
    this.#authSteps -= 1;
    if (this.#authSteps > 0) return this.write('334 UGFzc3dvcmQ6\r\n');
    this.#state = 'commands';
    return this.write('235 2.7.0 Authentication successful\r\n');
  }

  async #takeData(): Promise<void> {
    const { pieces, rest } = this.#data.read(this.#pending);
    for (const piece of pieces) this.#keep(piece);
    this.#pending = rest ?? Buffer.alloc(0);
    if (rest === undefined) return;
    this.#state = 'commands';
    await this.#finish('DATA');
  }

  async #takeChunk(): Promise<void> {
    const piece = this.#pending.subarray(0, this.#bdat.left);
    this.#pending = this.#pending.subarray(piece.length);
    this.#bdat.left -= piece.length;
    this.#keep(piece);
    if (this.#bdat.left > 0) return;
    this.#state = 'commands';
    if (this.#bdat.last) await this.#finish('BDAT');
    else this.write(`250 2.0.0 ${this.#bdat.octets} octets received\r\n`);
  }

  #keep(piece: Buffer): void {
    this.#octets += piece.length;
    if (this.#keepsContent) this.#content.push(piece);
  }

  async #finish(by: 'DATA' | 'BDAT'): Promise<void> {
    const content = Buffer.concat(this.#content);
    const message = { mail: this.#mail, rcpts: this.#rcpts, content, octets: this.#octets, by };
    this.#reset('');
    const verdict = (await this.script.verdict?.(message, this)) ?? '250 2.0.0 Queued as 4711\r\n';
    this.write(verdict);
    this.#observer.received(message);
  }

  #reset(mail: string): void {
    this.#mail = mail;
    this.#rcpts = [];
    this.#content = [];
    this.#octets = 0;
  }

  #ehlo(): string {
    const { keywords, clearKeywords } = this.script;
    const offered = this.secure ? (keywords ?? GOOD_KEYWORDS) : (clearKeywords ?? ['PIPELINING', 'STARTTLS']);
    const lines = ['upstream.test greets you', ...offered];
    return lines.map((line, index) => `250${index === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
  }
}
