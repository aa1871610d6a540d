/**
 * A submission server that follows a script: by default a good one, with single answers replaced to make it hostile.
 *
 * Guarantees: what arrives in clear and what arrives inside TLS is recorded apart, octet for octet, for the asserts at
 * the end of a test. Messages by DATA are un-stuffed at CRLF only, as RFC 5321 §4.5.2 has it.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { TLSSocket, createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Identity } from './pki.ts';

/** What a script answers: text for the wire as it is (CRLF included), or nothing at all, or the end of the connection. */
export type Answer = string | Buffer | typeof SILENCE | typeof CLOSE | typeof RESET;
export const SILENCE = { instead: 'silence' } as const;
export const CLOSE = { instead: 'close' } as const;
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
}

export interface Message {
  readonly mail: string;
  readonly rcpts: readonly string[];
  /** Without dot-stuffing and without the final dot. */
  readonly content: Buffer;
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

export class ScriptedUpstream {
  readonly script: Script;
  readonly messages: Message[] = [];
  readonly connections: Connection[] = [];
  #server: Server;
  #arrived: (() => void)[] = [];

  private constructor(script: Script) {
    this.script = script;
    this.#server = createServer({ noDelay: true }, (socket) =>
      this.connections.push(new Connection(this, socket)),
    );
  }

  static async start(script: Script): Promise<ScriptedUpstream> {
    const upstream = new ScriptedUpstream(script);
    upstream.#server.listen(script.port ?? 0, script.host ?? '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the upstream is not listening');
    return address.port;
  }

  /** `smtps://localhost:PORT` or `smtp://localhost:PORT`, for SEALPOST_UPSTREAM. */
  get url(): string {
    return `${this.script.mode === 'implicit' ? 'smtps' : 'smtp'}://localhost:${this.port}`;
  }

  /** Everything that came outside TLS, ClientHello and TLS records excluded. */
  get clear(): string {
    return this.connections.map((one) => one.clear.toString('latin1')).join('');
  }

  /** Everything that came inside TLS. */
  get secured(): string {
    return this.connections.map((one) => one.secured.toString('latin1')).join('');
  }

  /** Command lines inside TLS, in order, over all connections. */
  get commands(): readonly string[] {
    return this.connections.flatMap((one) => one.commands);
  }

  /** Resolves when that many messages have been received in full. */
  async received(count: number): Promise<void> {
    while (this.messages.length < count) await new Promise<void>((resolve) => this.#arrived.push(resolve));
  }

  /** Resolves when that many connections have been accepted and all of them are closed. */
  async idle(count = 1): Promise<void> {
    while (this.connections.length < count || this.connections.some((one) => !one.closed)) {
      await new Promise<void>((resolve) => this.#arrived.push(resolve));
    }
  }

  /** For connections: something changed. */
  wake(): void {
    for (const wake of this.#arrived.splice(0)) wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.connections) connection.destroy();
    await closed;
  }
}

/** One connection from the relay. */
export class Connection {
  readonly raw: Socket;
  readonly commands: string[] = [];
  clear: Buffer = Buffer.alloc(0);
  secured: Buffer = Buffer.alloc(0);
  /** Every octet that came on the TCP connection, TLS records included, as long as they are in clear or a handshake. */
  closed = false;
  secure = false;
  socket: Socket;
  #upstream: ScriptedUpstream;
  #pending: Buffer = Buffer.alloc(0);
  #mail = '';
  #rcpts: string[] = [];
  #content: Buffer[] = [];
  #state: 'commands' | 'data' | 'bdat' | 'auth' = 'commands';
  #bdat = { left: 0, last: false };
  #authSteps = 0;
  #busy: Promise<void> = Promise.resolve();

  constructor(upstream: ScriptedUpstream, socket: Socket) {
    this.#upstream = upstream;
    this.raw = socket;
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      upstream.wake();
    });
    upstream.wake();
    const { mode, greeting } = upstream.script;
    if (mode === 'implicit') this.startTls();
    else this.#listen(socket);
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
    const { identity, tls } = this.#upstream.script;
    const secureContext = createSecureContext({ ...identity, ...tls });
    const socket = new TLSSocket(this.raw, { isServer: true, secureContext });
    socket.on('error', () => undefined);
    this.socket = socket;
    this.secure = true;
    this.#listen(socket);
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      if (this.secure) this.secured = Buffer.concat([this.secured, chunk]);
      else this.clear = Buffer.concat([this.clear, chunk]);
      this.#pending = Buffer.concat([this.#pending, chunk]);
      if (this.#state === 'data' || this.#state === 'bdat')
        this.#upstream.script.onContent?.(chunk.length, this);
      this.#busy = this.#busy.then(async () => this.#work());
    });
  }

  async #work(): Promise<void> {
    for (;;) {
      const before = this.#pending.length;
      if (this.#state === 'data') await this.#takeData();
      else if (this.#state === 'bdat') await this.#takeChunk();
      else await this.#takeLine();
      if (this.#pending.length === before) return;
    }
  }

  async #takeLine(): Promise<void> {
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) return;
    const line = this.#pending.subarray(0, end).toString('latin1');
    this.#pending = this.#pending.subarray(end + 2);
    if (this.secure) this.commands.push(line);
    const own = await this.#upstream.script.answer?.(line, this);
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
        this.#state = 'data';
        return this.write('354 Go ahead\r\n');
      case 'BDAT':
        this.#bdat = { left: Number(line.split(' ')[1]), last: /\bLAST\b/i.test(line) };
        this.#state = 'bdat';
        return;
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

  #takeAuthStep(): void {
    this.#authSteps -= 1;
    if (this.#authSteps > 0) return this.write('334 UGFzc3dvcmQ6\r\n');
    this.#state = 'commands';
    return this.write('235 2.7.0 Authentication successful\r\n');
  }

  async #takeData(): Promise<void> {
    const framed = Buffer.concat([Buffer.from('\r\n'), this.#pending]);
    const end = framed.indexOf('\r\n.\r\n');
    if (end < 0) return;
    const content = this.#pending
      .subarray(0, Math.max(0, end))
      .toString('latin1')
      .replace(/(^|\r\n)\./g, '$1');
    this.#pending = this.#pending.subarray(end + 3);
    this.#state = 'commands';
    await this.#finish(Buffer.from(content, 'latin1'), 'DATA');
  }

  async #takeChunk(): Promise<void> {
    if (this.#pending.length < this.#bdat.left) return;
    this.#content.push(this.#pending.subarray(0, this.#bdat.left));
    const octets = this.#bdat.left;
    this.#pending = this.#pending.subarray(octets);
    this.#state = 'commands';
    if (this.#bdat.last) await this.#finish(Buffer.concat(this.#content), 'BDAT');
    else this.write(`250 2.0.0 ${octets} octets received\r\n`);
    if (octets === 0) await this.#work();
  }

  async #finish(content: Buffer, by: 'DATA' | 'BDAT'): Promise<void> {
    const message = { mail: this.#mail, rcpts: this.#rcpts, content, by };
    this.#reset('');
    const verdict = (await this.#upstream.script.verdict?.(message, this)) ?? '250 2.0.0 Queued as 4711\r\n';
    this.#upstream.messages.push(message);
    this.write(verdict);
    this.#upstream.wake();
  }

  #reset(mail: string): void {
    this.#mail = mail;
    this.#rcpts = [];
    this.#content = [];
  }

  #ehlo(): string {
    const { keywords, clearKeywords } = this.#upstream.script;
    const offered = this.secure ? (keywords ?? GOOD_KEYWORDS) : (clearKeywords ?? ['PIPELINING', 'STARTTLS']);
    const lines = ['upstream.test greets you', ...offered];
    return lines.map((line, index) => `250${index === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
  }
}
