/**
 * Commands out, replies in, on a loopback connection to the relay.
 *
 * Guarantees: whoever waits is told when the connection is lost or silent; content is written no faster than it is taken.
 */
import type { Socket } from 'node:net';

import type { CommandLine, Verb } from '../protocol/command.ts';
import { ReplyReader } from '../protocol/reply-reader.ts';
import { replyText, type Reply } from '../protocol/reply.ts';
import { SendmailError, SYSEXITS } from './exit-code.ts';

/** Longer than the longest wait of the relay itself, which is ten minutes for the verdict; it gives the better reason. */
const SILENCE_MS = 900_000;

/** How long the relay may take to hang up after QUIT. */
const LINGER_MS = 2_000;

export class RelayDialog {
  readonly #socket: Socket;
  readonly #reader = new ReplyReader();
  readonly #replies: Reply[] = [];
  readonly #tell: ((line: string) => void) | undefined;
  #lost: SendmailError | undefined;
  #wake: (() => void) | undefined;

  /** @param tell gets each line of the dialog, for -v */
  constructor(socket: Socket, tell?: (line: string) => void) {
    this.#socket = socket;
    this.#tell = tell;
    socket
      .on('data', (octets: Buffer) => this.#take(octets))
      .on('error', (error) => this.#lose('code' in error ? String(error.code) : 'error'))
      .on('close', () => this.#lose('closed'));
    socket.setTimeout(SILENCE_MS, () => {
      this.#lose('timeout');
      socket.destroy();
    });
  }

  /** Whether a reply has come that nobody has read: while content is being sent, an early refusal. */
  get hasReply(): boolean {
    return this.#replies.length > 0;
  }

  async command(command: CommandLine<Verb>): Promise<Reply> {
    const wire = command.toWire();
    this.#tell?.(`>>> ${wire.trimEnd()}`);
    this.#socket.write(wire);
    return this.reply();
  }

  /** The next one. @throws {SendmailError} EX_TEMPFAIL when there is none to come */
  async reply(): Promise<Reply> {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply !== undefined) {
        this.#tell?.(`<<< ${replyText(reply)}`);
        return reply;
      }
      if (this.#lost !== undefined) throw this.#lost;
      await this.#change();
    }
  }

  /**
   * Resolves when the octets have gone to the other side, so that their memory can be used again; earlier when a reply
   * is there, after which no content is of use.
   *
   * @throws {SendmailError}
   */
  async content(pieces: readonly Buffer[]): Promise<void> {
    let written = 0;
    const onWritten = (): void => {
      written += 1;
      this.#wake?.();
    };
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece, onWritten);
    this.#socket.uncork();
    while (written < pieces.length && !this.hasReply) {
      if (this.#lost !== undefined) throw this.#lost;
      await this.#change();
    }
  }

  /** Ends the connection: with a farewell politely, else at once. */
  close(farewell?: CommandLine<'QUIT'>): void {
    if (farewell === undefined) {
      this.#socket.destroy();
      return;
    }
    this.#socket.end(farewell.toWire());
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #take(octets: Buffer): void {
    try {
      for (const reply of this.#reader.read(octets)) this.#replies.push(reply);
    } catch (error) {
      this.#lost ??= new SendmailError(SYSEXITS.temporaryFailure, 'what answers there is no SMTP server', {
        cause: error,
      });
      this.#socket.destroy();
    }
    this.#wake?.();
  }

  #lose(reason: string): void {
    this.#lost ??= new SendmailError(SYSEXITS.temporaryFailure, `the relay ended the connection (${reason})`);
    this.#wake?.();
  }
}
