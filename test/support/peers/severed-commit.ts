/**
 * A way to a PostgreSQL server on which connections break at COMMIT: before it arrives, or before its answer does.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Cut = 'the commit' | 'its answer';

export class SeveredCommit implements AsyncDisposable {
  /** Cut at the next COMMIT; undefined lets everything pass. */
  cut: Cut | undefined;
  readonly #server: Server;
  readonly #to: number;

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer((client) => this.#join(client));
  }

  static async before(to: number): Promise<SeveredCommit> {
    const severed = new SeveredCommit(to);
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
      const isCommit = this.cut !== undefined && octets.includes('COMMIT');
      if (isCommit && this.cut === 'the commit') part();
      else server.write(octets);
      isCutting ||= isCommit;
      if (isCommit) this.cut = undefined;
    });
    server.on('data', (octets: Buffer) => {
      if (isCutting) part();
      else client.write(octets);
    });
  }
}
