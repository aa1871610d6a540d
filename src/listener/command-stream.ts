/**
 * smtp-server's parser with a DATA mode of our own.
 *
 * Theirs un-stuffs dots after a bare LF too, which would make a smuggling sequence out of harmless input, and it walks
 * octet by octet; ours (protocol/data-reader.ts) ends a message at CRLF.CRLF only. Commands are still theirs to cut.
 * Checked against smtp-server 3.21.6, which package.json pins.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';

import { coalesce } from '../protocol/coalesce.ts';
import { DataReader } from '../protocol/data-reader.ts';

/** Who takes the content; neither method may reject. */
export interface ContentSink {
  /** Resolves when more is wanted: until then nothing more is read from the client. */
  write(pieces: readonly Buffer[]): Promise<void>;
  /** The message has ended; resolves when its reply was sent. */
  end(): Promise<void>;
}

export class CommandStream extends SMTPStream {
  /** Looks at what comes, before it is parsed; false drops it and all that follows. */
  admits: ((octets: Buffer) => boolean) | undefined;
  #content: { readonly reader: DataReader; readonly sink: ContentSink } | undefined;

  /** Whether content is being read. */
  get isReadingContent(): boolean {
    return this.#content !== undefined;
  }

  /** What comes from here on is content, up to CRLF.CRLF. */
  startContent(sink: ContentSink): void {
    this.#content = { reader: new DataReader(), sink };
    this._dataMode = true;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, next: (error?: Error | null) => void): void {
    if (this.admits?.(chunk) === false) {
      this.isClosed = true;
      return next();
    }
    return super._write(chunk, encoding, next);
  }

  override _feedDataStream(chunk: Buffer, done: (error?: Error | null) => void): void {
    const content = this.#content;
    if (content === undefined) return done();
    const pieces: Buffer[] = [];
    const rest = content.reader.read(chunk, (piece) => pieces.push(piece));
    void this.#pass(content.sink, coalesce(pieces), rest, done);
  }

  /** A last line without its end is no command: half of one may mean something else (RFC 5321 §2.3.8). */
  override _flushData(): void {
    this._remainder = '';
  }

  async #pass(
    sink: ContentSink,
    pieces: readonly Buffer[],
    rest: Buffer | undefined,
    done: (error?: Error | null) => void,
  ): Promise<void> {
    if (pieces.length > 0) await sink.write(pieces);
    if (rest === undefined) return done();
    this.#content = undefined;
    this._dataMode = false;
    await sink.end();
    super._write(rest, 'binary', done);
  }
}
