/**
 * The login to PostgreSQL, spoken octet by octet: no mail server, but a SCRAM server with channel binding that nobody here
 * wrote.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

import type { PostgresServer } from './postgres-server.ts';

const AUTHENTICATION = 'R';
/** The first field of an authentication message. */
const OK = 0;
const SASL = 10;

/** What the server says to the login: its SASL messages, and then how it ended. */
export interface PostgresAnswer {
  readonly kind: 'challenge' | 'in' | 'refused';
  /** Of a challenge its octets; of a refusal its text. */
  readonly octets: Buffer;
}

/** The login of one connection (PostgreSQL's protocol 3.0), inside TLS. */
export class PostgresLogin implements Disposable {
  readonly socket: TLSSocket;
  /** As the server offers them. */
  mechanisms: readonly string[] = [];
  readonly #chunks: AsyncIterator<Buffer>;
  #received = Buffer.alloc(0);

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  /** Connects, begins TLS as `tls` says, and asks for the login of a user. */
  static async begin(postgres: PostgresServer, tls: object): Promise<PostgresLogin> {
    const raw = connect(postgres.port, '127.0.0.1');
    const login = new PostgresLogin(await secured(raw, tls));
    const parameters = `user\0${postgres.user}\0database\0postgres\0\0`;
    login.socket.write(framed(undefined, Buffer.concat([number(196_608), Buffer.from(parameters)])));
    const [type, content] = await login.#message();
    if (type !== AUTHENTICATION || content.readInt32BE(0) !== SASL) throw new Error('no SASL');
    login.mechanisms = content
      .subarray(4)
      .toString()
      .split('\0')
      .filter((name) => name !== '');
    return login;
  }

  async first(mechanism: string, message: Buffer): Promise<PostgresAnswer> {
    const head = [Buffer.from(`${mechanism}\0`), number(message.length)];
    this.socket.write(framed('p', Buffer.concat([...head, message])));
    return this.#answer();
  }

  async next(message: Buffer): Promise<PostgresAnswer> {
    this.socket.write(framed('p', message));
    return this.#answer();
  }

  /** What comes after the server's last SASL message. */
  async end(): Promise<PostgresAnswer> {
    return this.#answer();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #answer(): Promise<PostgresAnswer> {
    const [type, content] = await this.#message();
    if (type !== AUTHENTICATION) return { kind: 'refused', octets: content };
    return content.readInt32BE(0) === OK
      ? { kind: 'in', octets: Buffer.alloc(0) }
      : { kind: 'challenge', octets: content.subarray(4) };
  }

  async #message(): Promise<readonly [type: string, content: Buffer]> {
    while (this.#received.length < 5 || this.#received.length < 1 + this.#received.readInt32BE(1)) {
      const next = await this.#chunks.next();
      if (next.done === true) throw new Error('the server hung up');
      this.#received = Buffer.concat([this.#received, next.value]);
    }
    const end = 1 + this.#received.readInt32BE(1);
    const message = this.#received.subarray(0, end);
    this.#received = this.#received.subarray(end);
    return [message.toString('latin1', 0, 1), message.subarray(5)];
  }
}

/** SSLRequest, its answer `S`, then TLS. */
async function secured(raw: Socket, tls: object): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  raw.once('error', reject);
  raw.write(framed(undefined, number(80_877_103)));
  raw.once('data', () => {
    const socket = connectTls({ ...tls, socket: raw, host: 'localhost', servername: 'localhost' });
    socket.once('secureConnect', () => resolve(socket)).once('error', reject);
  });
  return promise;
}

function framed(type: string | undefined, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type ?? ''), number(content.length + 4), content]);
}

function number(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeInt32BE(value);
  return octets;
}
