/**
 * A way to a PostgreSQL server on which a connection breaks where a test wants it: as COMMIT arrives, before its answer does,
 * or as soon as the login is done, when the server says so at once.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Cut = 'the commit' | 'its answer' | 'behind the login';

/** PostgreSQL's documentation, "Message Formats": ReadyForQuery, and ErrorResponse as of a server that is stopped. */
const READY = Buffer.from('Z\0\0\0\x05I', 'latin1');
const FIELDS = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0', 'latin1');
const STOPPED = Buffer.concat([Buffer.from([0x45, 0, 0, 0, FIELDS.length + 4]), FIELDS]);

export class SeveredPostgres implements AsyncDisposable {
  /** Of the next that comes so far; undefined lets everything pass. */
  cut: Cut | undefined;
  readonly #server: Server;
  readonly #to: number;

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer((client) => this.#join(client));
  }

  static async before(to: number): Promise<SeveredPostgres> {
    const severed = new SeveredPostgres(to);
    severed.#server.listen(0, '127.0.0.1');
    await once(severed.#server, 'listening');
    return severed;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #join(client: Socket): void {
    const server = connect(this.#to, '127.0.0.1');
    const part = (): void => {
      client.destroy();
      server.destroy();
    };
    let isCutting = false;
    for (const socket of [client, server]) socket.on('error', part).on('close', part);
    client.on('data', (octets: Buffer) => {
      const isCommit = (this.cut === 'the commit' || this.cut === 'its answer') && octets.includes('COMMIT');
      if (isCommit && this.cut === 'the commit') part();
      else server.write(octets);
      isCutting ||= isCommit;
      if (isCommit) this.cut = undefined;
    });
    server.on('data', (octets: Buffer) => {
      const isLogin = this.cut === 'behind the login' && octets.includes(READY);
      if (isLogin) this.cut = undefined;
      if (isCutting) part();
      else if (isLogin) client.end(Buffer.concat([octets, STOPPED]));
      else client.write(octets);
    });
  }
}
