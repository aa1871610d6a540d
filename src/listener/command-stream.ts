/**
 * What a client sends, cut into commands and content, one at a time.
 *
 * Guarantees: the next command or piece of content is given only when the one before has been served; meanwhile no more
 * than one read waits here, and the client feels it; only CRLF.CRLF ends a message (protocol/data-reader.ts).
 * Stands in for smtp-server's parser, of which smtp-connection.js uses `isClosed`, `oncommand` and the stream. Theirs
 * un-stuffs dots after a bare LF too, which would make a smuggling sequence out of harmless input; it walks octet by
 * octet, and makes strings of what it reads. Checked against smtp-server 3.21.6, which package.json pins.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';

import { coalesce } from '../protocol/coalesce.ts';
import { DataReader } from '../protocol/data-reader.ts';
import { COMMAND_LINE_OCTETS } from '../protocol/limits.ts';

/** Who takes the content; neither method may reject. */
export interface ContentSink {
  /** Resolves when more is wanted: until then nothing more is read from the client. */
  write(pieces: readonly Buffer[]): Promise<void>;
  /** The message has ended; resolves when its reply was sent. */
  end(): Promise<void>;
}

interface Content {
  readonly reader: DataReader;
  readonly sink: ContentSink;
}

const CR = 0x0d;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Then others have their turn, and the replies leave. */
const COMMANDS_IN_A_TURN = 100;

export class CommandStream extends SMTPStream {
  /** Looks at what comes, before it is parsed; false drops it and all that follows. */
  admits: ((octets: Buffer) => boolean) | undefined;
  #content: Content | undefined;
  /** What was read and not served yet. */
  #held: Buffer = NOTHING;
  #isServing = false;
  #served = 0;
  /** Who waits until all that is held was served. */
  #waiting: (() => void)[] = [];

  /** What comes from here on is content, up to CRLF.CRLF. */
  startContent(sink: ContentSink): void {
    this.#content = { reader: new DataReader(), sink };
  }

  /** Called by the pipe from the socket, which after a false reads no more until `drain`. */
  override write(octets: Buffer): boolean {
    if (this.admits?.(octets) === false) this.isClosed = true;
    this.#held = this.#held.length === 0 ? octets : Buffer.concat([this.#held, octets]);
    if (this.#isServing) {
      this.#waiting.push(() => this.emit('drain'));
      return false;
    }
    this.#isServing = true;
    this.#serve();
    return true;
  }

  /** The client has closed its side; `finish` comes when what it sent was served. */
  override _final(callback: () => void): void {
    if (this.#isServing) this.#waiting.push(callback);
    else callback();
  }

  /** A last line without its end is no command: half of one may mean something else (RFC 5321 §2.3.8). */
  override _flushData(): void {
    this.#held = NOTHING;
  }

  #serve(): void {
    if (this.isClosed) this.#held = NOTHING;
    if (this.#content !== undefined && this.#held.length > 0) return void this.#serveContent(this.#content);
    const command = this.#takeCommand();
    if (command !== undefined) return this.oncommand(command, () => this.#serveNext());
    this.#isServing = false;
    // A small view would keep the whole read in memory, for as long as the client is idle.
    this.#held = this.#held.length === 0 ? NOTHING : Buffer.from(this.#held);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #serveNext(): void {
    this.#served += 1;
    if (this.#served % COMMANDS_IN_A_TURN === 0) setImmediate(() => this.#serve());
    else this.#serve();
  }

  /** A line without its end. */
  #takeCommand(): Buffer | undefined {
    const lf = this.#held.indexOf(LF);
    const length = lf < 0 ? this.#held.length : lf;
    if (length > COMMAND_LINE_OCTETS) {
      this.#held = NOTHING;
      this.destroy(new Error('Command line too long'));
      return undefined;
    }
    if (lf < 0) return undefined;
    const command = this.#held.subarray(0, this.#held[lf - 1] === CR ? lf - 1 : lf);
    this.#held = this.#held.subarray(lf + 1);
    return command;
  }

  async #serveContent({ reader, sink }: Content): Promise<void> {
    const pieces: Buffer[] = [];
    const rest = reader.read(this.#held, (piece) => pieces.push(piece));
    this.#held = rest ?? NOTHING;
    if (pieces.length > 0) await sink.write(coalesce(pieces));
    if (rest !== undefined) {
      this.#content = undefined;
      await sink.end();
    }
    this.#serve();
  }
}
