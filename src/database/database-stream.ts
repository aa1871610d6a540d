/**
 * A connection of `openConnection` in the shape in which the client library wants its socket: one that it connects.
 *
 * Guarantees: it goes where the place says and nowhere else, whatever the library asks for.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

export class DatabaseStream extends Duplex {
  readonly #open: (signal: AbortSignal) => Promise<Socket>;
  readonly #closing = new AbortController();
  #socket: Socket | undefined;

  constructor(open: (signal: AbortSignal) => Promise<Socket>) {
    super();
    this.#open = open;
  }

  connect(): this {
    void this.#connect();
    return this;
  }

  /** Nothing waits to be sent together here. */
  setNoDelay(): this {
    return this;
  }

  ref(): this {
    this.#socket?.ref();
    return this;
  }

  unref(): this {
    this.#socket?.unref();
    return this;
  }

  async #connect(): Promise<void> {
    try {
      const socket = await this.#open(this.#closing.signal);
      if (this.destroyed) return void socket.destroy();
      this.#socket = socket;
      socket
        .on('data', (octets: Buffer) => {
          if (!this.push(octets)) socket.pause();
        })
        .on('end', () => this.push(null))
        .on('error', (error) => this.destroy(error))
        .on('close', () => this.destroy());
      this.emit('connect');
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error('not opened', { cause: error }));
    }
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(octets: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#socket === undefined) done(new Error('written before it was connected'));
    else this.#socket.write(octets, done);
  }

  override _final(done: () => void): void {
    this.#socket?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#closing.abort();
    this.#socket?.destroy();
    done(error);
  }
}
