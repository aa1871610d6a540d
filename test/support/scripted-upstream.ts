/**
 * A submission server that follows a script: by default a good one, with single answers replaced to make it hostile.
 *
 * Guarantees: everything the relay sent is on record, what came in clear and what came inside TLS apart.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

import { Connection, CLOSE, type Message, type Script } from './scripted-connection.ts';

export {
  CLOSE,
  GOOD_KEYWORDS,
  RESET,
  SILENCE,
  Connection,
  type Answer,
  type Message,
  type Script,
} from './scripted-connection.ts';

export class ScriptedUpstream {
  readonly messages: Message[] = [];
  readonly connections: Connection[] = [];
  #script: Script;
  #server: Server;
  #arrived: (() => void)[] = [];

  private constructor(script: Script) {
    this.#script = script;
    this.#server = createServer({ noDelay: true }, (socket) => {
      const connection = new Connection(socket, this.#script, {
        received: (message) => this.#keep(message),
        changed: () => this.#wake(),
      });
      this.connections.push(connection);
      this.#wake();
      connection.begin();
    });
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

  /** What it plays to connections that come from now on. */
  get script(): Script {
    return this.#script;
  }

  /** Plays another script to connections that come from now on; those there are end, and are forgotten. */
  play(script: Script): void {
    for (const connection of this.connections.splice(0)) connection.destroy();
    this.messages.splice(0);
    this.#script = script;
  }

  /** Ends every connection politely and waits until the other sides have hung up too. */
  async hangUp(): Promise<void> {
    for (const connection of this.connections) connection.write(CLOSE);
    await this.idle(0);
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
    while (this.messages.length < count) await this.changed();
  }

  /** Resolves when that many connections have been accepted and all of them are closed. */
  async idle(count = 1): Promise<void> {
    while (this.connections.length < count || this.connections.some((one) => !one.closed)) {
      await this.changed();
    }
  }

  #keep(message: Message): void {
    this.messages.push(message);
    this.#wake();
  }

  /** Resolves at the next change: a connection begun or ended, a message received. */
  async changed(): Promise<void> {
    return new Promise<void>((resolve) => this.#arrived.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#arrived.splice(0)) wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.connections) connection.destroy();
    await closed;
  }
}
