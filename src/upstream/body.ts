/**
 * The content of one message on its way up: by DATA with dot-stuffing, or in chunks (RFC 3030).
 *
 * Guarantees: octets leave in order and unchanged but for the stuffing; the message ends only in `end()`.
 */
import { isAscii } from 'node:buffer';

import { coalesce } from '../protocol/coalesce.ts';
import { CommandLine } from '../protocol/command.ts';
import { DotStuffer } from '../protocol/dot-stuffer.ts';
import { RelayError, type MailPhase } from '../protocol/failure.ts';
import { isMailAccepted, isRefusal, type Reply } from '../protocol/reply.ts';
import type { Channel } from './channel.ts';
import type { HopTimeouts } from './target.ts';

export interface Body {
  /**
   * Takes content whose only line ending is CRLF; resolves when more is wanted.
   *
   * @throws {RelayError} refused at `body` | protocol | lost
   */
  write(pieces: readonly Buffer[]): Promise<void>;
  /**
   * Ends the message and waits for the verdict.
   *
   * @returns 25x
   * @throws {RelayError} refused | protocol | lost | outcome-unknown
   */
  end(): Promise<Reply>;
}

/** Chunks of at least this size, so that a body cut small by its sender does not become as many commands. */
const CHUNK_OCTETS = 65_536;

/** RFC 3030 §2: chunks announced by their size, so there is no end of data to smuggle through. */
export class ChunkedBody implements Body {
  /** Whether the verdict is in: the upstream waits for the next command. */
  isOver = false;
  readonly #channel: Channel<'BDAT'>;
  readonly #timeouts: HopTimeouts;
  readonly #isPipelined: boolean;
  /** The newest octets wait for their successors: LAST goes in one flight with the last of them. */
  #held: Buffer[] = [];
  #heldOctets = 0;
  /** What went wrong with a chunk that nobody waited for. */
  #failed: { readonly error: unknown } | undefined;
  #judged: Promise<void> = Promise.resolve();

  constructor(channel: Channel<'BDAT'>, timeouts: HopTimeouts, isPipelined: boolean) {
    this.#channel = channel;
    this.#timeouts = timeouts;
    this.#isPipelined = isPipelined;
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    if (this.#heldOctets >= CHUNK_OCTETS)
      await this.#flush().catch(async (error: unknown) => this.#explain(error));
    this.#throwIfFailed();
    for (const piece of pieces) this.#heldOctets += piece.length;
    this.#held.push(...pieces);
  }

  async end(): Promise<Reply> {
    this.#throwIfFailed();
    await this.#channel.content([]); // an end that was never sent is a loss, not an unknown outcome
    const command = CommandLine.bdat(this.#heldOctets, true);
    const verdict = this.#channel.send(command, 'final', this.#timeouts.finalMs);
    this.#channel.content(this.#held).catch(() => undefined); // the verdict tells of any loss
    const reply = await verdict.catch(async (error: unknown) => this.#explain(error));
    // An earlier chunk's refusal came before this reply, which only repeats it in other words (RFC 3030 §2).
    this.#throwIfFailed();
    this.isOver = true;
    return expectAccepted(this.#channel, 'final', reply);
  }

  async #flush(): Promise<void> {
    const command = CommandLine.bdat(this.#heldOctets, false);
    const sent = this.#channel.send(command, 'body', this.#timeouts.commandMs);
    this.#judged = sent.then(
      (reply) => this.#judge(reply),
      () => undefined, // whoever writes or waits hears of a loss
    );
    const pieces = this.#held;
    this.#held = [];
    this.#heldOctets = 0;
    await this.#channel.content(pieces);
    if (!this.#isPipelined) await this.#judged;
  }

  /** After a refusal nothing more is wanted; what state the upstream is in is not said, so the hop ends with the body. */
  #judge(reply: Reply): void {
    try {
      expectAccepted(this.#channel, 'body', reply);
    } catch (error) {
      this.#failed ??= { error };
      this.#channel.destroy(); // wakes whoever waits for the upstream to read on
    }
  }

  /** A chunk that was refused before the connection ended says more than the end. */
  async #explain(error: unknown): Promise<never> {
    await this.#judged;
    this.#throwIfFailed();
    throw error;
  }

  #throwIfFailed(): void {
    if (this.#failed !== undefined) throw this.#failed.error;
  }
}

/** RFC 5321 §4.1.1.4. */
export class StuffedBody implements Body {
  /** Whether the verdict is in: the upstream waits for the next command. */
  isOver = false;
  readonly #channel: Channel<'DATA'>;
  readonly #timeouts: HopTimeouts;
  readonly #stuffer = new DotStuffer();
  #refused: RelayError | undefined;

  constructor(channel: Channel<'DATA'>, timeouts: HopTimeouts) {
    this.#channel = channel;
    this.#timeouts = timeouts;
    // Some servers refuse a message before its end ("too big") and hang up: that is a verdict, not a broken protocol.
    channel.onEarlyRefusal = (reply) =>
      (this.#refused = new RelayError({ kind: 'refused', phase: 'body', reply }));
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    this.#throwIfRefused();
    const stuffed: Buffer[] = [];
    for (const piece of pieces) this.#stuffer.write(piece, (octets) => stuffed.push(octets));
    await this.#channel.content(coalesce(stuffed)).catch((error: unknown) => {
      this.#throwIfRefused();
      throw error;
    });
  }

  /** The upstream wants no content: what it says from here on is not about any. */
  forget(): void {
    this.#channel.onEarlyRefusal = undefined;
  }

  async end(): Promise<Reply> {
    this.#throwIfRefused();
    this.forget();
    await this.#channel.content([]); // an end that was never sent is a loss, not an unknown outcome
    const verdict = this.#channel.awaitReply('final', this.#timeouts.finalMs);
    this.#channel.content([this.#stuffer.end()]).catch(() => undefined); // the verdict tells of any loss
    const reply = await verdict;
    this.isOver = true;
    return expectAccepted(this.#channel, 'final', reply);
  }

  #throwIfRefused(): void {
    const refused = this.#refused;
    if (refused !== undefined) throw refused;
  }
}

/** What octets the content may have. */
export type ContentRule = 'any' | '7bit';

/** Content that was declared 8-bit, for an upstream that takes 7-bit: many declare so whatever they send. */
export class SevenBitBody implements Body {
  readonly #body: Body;

  constructor(body: Body) {
    this.#body = body;
  }

  /** @throws {RelayError} as any, and unsupported */
  async write(pieces: readonly Buffer[]): Promise<void> {
    if (!pieces.every((piece) => isAscii(piece)))
      throw new RelayError({ kind: 'unsupported', extension: '8BITMIME' });
    return this.#body.write(pieces);
  }

  async end(): Promise<Reply> {
    return this.#body.end();
  }
}

function expectAccepted(channel: Channel<never>, phase: MailPhase, reply: Reply): Reply {
  if (isMailAccepted(reply)) return reply;
  if (isRefusal(reply)) throw new RelayError({ kind: 'refused', phase, reply });
  throw channel.desynchronised(phase, reply);
}
