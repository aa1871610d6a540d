/**
 * A simulated provider on a free port of loopback: STARTTLS, and from there on what its profile says.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

import { DataReader } from '../../protocol/data-reader.ts';
import { Account, type AccountWish } from './account.ts';
import type { Profile, Submission } from './profile.ts';
import {
  CLOSE,
  SILENCE,
  SimulatedSession,
  type SessionAnswer,
  type SessionKeeper,
  type SessionWire,
} from './simulated-session.ts';

export interface ProviderServerOptions {
  readonly profile: Profile;
  readonly account: AccountWish;
  /** PEM. */
  readonly identity: { readonly key: string; readonly cert: string };
}

export class ProviderServer implements AsyncDisposable {
  readonly account: Account;
  readonly messages: Submission[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor({ profile, account, identity }: ProviderServerOptions) {
    this.account = new Account(account);
    const keeper: SessionKeeper = {
      profile,
      accounts: [this.account],
      newId: () => `SIM${this.messages.length}`,
      accepted: (submission) => this.messages.push(submission),
    };
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      new SubmissionWire(socket, keeper, identity).begin();
    });
  }

  static async start(options: ProviderServerOptions): Promise<ProviderServer> {
    const started = new ProviderServer(options);
    started.#server.listen(0, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the provider is not listening');
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** What the next octets are. */
type Expected =
  | { readonly what: 'line' }
  | { readonly what: 'data'; readonly reader: DataReader }
  | { readonly what: 'chunk'; left: number; readonly octets: number; readonly isLast: boolean };

class SubmissionWire implements SessionWire {
  readonly raw: Socket;
  readonly #session: SimulatedSession;
  readonly #keeper: SessionKeeper;
  readonly #identity: ProviderServerOptions['identity'];
  #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #content: Buffer[] = [];
  #expected: Expected = { what: 'line' };
  #busy: Promise<void> = Promise.resolve();

  constructor(socket: Socket, keeper: SessionKeeper, identity: ProviderServerOptions['identity']) {
    this.raw = socket;
    this.#socket = socket;
    this.#keeper = keeper;
    this.#identity = identity;
    this.#session = new SimulatedSession(this, keeper);
  }

  get secure(): boolean {
    return this.#socket !== this.raw;
  }

  get closed(): boolean {
    return this.raw.destroyed;
  }

  begin(): void {
    this.#listen(this.raw);
    this.write(`${this.#keeper.profile.greeting}\r\n`);
  }

  write(answer: SessionAnswer): void {
    if (typeof answer === 'string') this.#socket.write(answer);
    else if (answer === CLOSE) this.#socket.end();
  }

  takeData(): void {
    this.#expected = { what: 'data', reader: new DataReader() };
  }

  startTls(): void {
    this.raw.removeAllListeners('data');
    this.#pending = Buffer.alloc(0); // what came in clear is forgotten (RFC 3207 §4.2)
    const secureContext = createSecureContext({ ...this.#identity, minVersion: 'TLSv1.2' });
    this.#socket = new TLSSocket(this.raw, { isServer: true, secureContext });
    this.#listen(this.#socket);
  }

  #listen(socket: Socket): void {
    socket.on('error', () => this.raw.destroy());
    socket.on('data', (octets: Buffer) => {
      this.#busy = this.#busy.then(async () => this.#take(octets));
    });
  }

  /** Each step takes what it can; what is left waits for more octets. */
  async #take(octets: Buffer): Promise<void> {
    this.#pending = Buffer.concat([this.#pending, octets]);
    while (await this.#step());
  }

  /** @returns whether there may be more to take */
  async #step(): Promise<boolean> {
    const expected = this.#expected;
    switch (expected.what) {
      case 'line':
        return this.#takeLine();
      case 'data': {
        const rest = expected.reader.read(this.#pending, (piece) => this.#content.push(Buffer.from(piece)));
        this.#pending = rest ?? Buffer.alloc(0);
        if (rest !== undefined) await this.#end();
        return rest !== undefined;
      }
      case 'chunk':
        return this.#takeChunk(expected);
    }
  }

  #takeLine(): boolean {
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.#pending.subarray(0, end).toString('latin1');
    this.#pending = this.#pending.subarray(end + 2);
    this.write(this.#session.answer(line) ?? this.#expectChunk(line));
    return true;
  }

  /** BDAT, which a session leaves to its connection (RFC 3030 §2). */
  #expectChunk(line: string): SessionAnswer {
    const octets = Number(line.split(' ')[1]);
    this.#expected = { what: 'chunk', left: octets, octets, isLast: /\bLAST\b/i.test(line) };
    return SILENCE;
  }

  async #takeChunk(chunk: Expected & { readonly what: 'chunk' }): Promise<boolean> {
    const piece = this.#pending.subarray(0, chunk.left);
    this.#pending = this.#pending.subarray(piece.length);
    this.#content.push(piece);
    chunk.left -= piece.length;
    if (chunk.left > 0) return false;
    this.#expected = { what: 'line' };
    if (chunk.isLast) await this.#end();
    else this.write(`250 2.0.0 ${chunk.octets} octets received\r\n`);
    return true;
  }

  async #end(): Promise<void> {
    const content = Buffer.concat(this.#content);
    this.#content = [];
    this.#expected = { what: 'line' };
    this.write(await this.#session.verdict(content));
  }
}
