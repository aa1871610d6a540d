/**
 * The content of one message on its way through the relay.
 *
 * Guarantees: octets go up in order and unchanged, but for what is done to the header and for stray line endings;
 * nothing goes up before the header is whole and found fit; the message is ended only when the client ended it and
 * nothing failed; backpressure reaches whoever writes.
 */
import { coalesce } from '../protocol/coalesce.ts';
import { RelayError } from '../protocol/failure.ts';
import { LineEndings } from '../protocol/line-endings.ts';
import { HOP_LIMIT } from '../protocol/limits.ts';
import type { Reply } from '../protocol/reply.ts';
import type { Body } from '../upstream/body.ts';
import { HeaderBlock } from './header-block.ts';
import type { MemoryShare } from './memory-budget.ts';
import { contentPassed } from './young-garbage.ts';

/** What to do with a CR or LF that stands alone: make it CRLF, or refuse the message. */
export type LineEndingRule = 'normalise' | 'strict';

export interface ContentRules {
  readonly maxOctets: number;
  readonly lineEndings: LineEndingRule;
  /**
   * The header as it goes up, with what goes in front.
   *
   * @throws {RelayError} when the header is a reason to refuse the message
   */
  readonly prepareHeader: (header: HeaderBlock) => readonly Buffer[];
  /** Told how much of the header is held. */
  readonly memory: MemoryShare;
}

export class Content {
  /** As the client sent it, dots un-stuffed. */
  octets = 0;
  readonly #body: Body;
  readonly #rules: ContentRules;
  readonly #lineEndings = new LineEndings();
  readonly #header = new HeaderBlock();
  #isHeaderGone = false;

  constructor(body: Body, rules: ContentRules) {
    this.#body = body;
    this.#rules = rules;
  }

  /**
   * Takes content as the client wrote it; resolves when more is wanted.
   *
   * @throws {RelayError} too-big | malformed-message | hop-loop | capacity, or what the upstream's `Body` or `prepareHeader` throws
   */
  async write(received: readonly Buffer[]): Promise<void> {
    const pieces: Buffer[] = [];
    for (const octets of received) {
      this.octets += octets.length;
      contentPassed(octets.length);
      this.#lineEndings.write(octets, (piece) => pieces.push(piece));
    }
    const { maxOctets } = this.#rules;
    if (this.octets > maxOctets) throw new RelayError({ kind: 'too-big', maxOctets });
    await this.#pass(coalesce(pieces));
  }

  /**
   * Ends the message.
   *
   * @returns the upstream's 25x
   * @throws {RelayError} as `write`, and the upstream's verdict
   */
  async end(): Promise<Reply> {
    const pieces: Buffer[] = [];
    this.#lineEndings.end((piece) => pieces.push(piece));
    await this.#pass(pieces);
    if (!this.#isHeaderGone) await this.#sendHeader();
    return this.#body.end();
  }

  async #pass(pieces: readonly Buffer[]): Promise<void> {
    if (this.#rules.lineEndings === 'strict' && this.#lineEndings.sawStray)
      throw malformed('stray-line-ending');
    if (this.#isHeaderGone) return this.#body.write(pieces);
    for (const piece of pieces) this.#header.add(piece);
    if (this.#header.isTooBig) throw malformed('header-block-too-big');
    this.#rules.memory.hold(this.#header.octets.length);
    return this.#header.isWhole ? this.#sendHeader() : undefined;
  }

  async #sendHeader(): Promise<void> {
    if (this.#header.receivedCount >= HOP_LIMIT) throw new RelayError({ kind: 'hop-loop' });
    const prepared = this.#rules.prepareHeader(this.#header);
    this.#isHeaderGone = true;
    await this.#body.write(prepared);
    this.#rules.memory.hold(0);
  }
}

function malformed(reason: 'header-block-too-big' | 'stray-line-ending'): RelayError {
  return new RelayError({ kind: 'malformed-message', reason });
}
