/**
 * Reads SMTP replies from a byte stream (RFC 5321 §4.2).
 *
 * Guarantees: a reply is complete or absent; lines and replies are bounded (limits.ts); codes are 200–599 and the same
 * on every line; lines end in CRLF only; text is printable.
 * Does not: judge a code (upstream/) or choose an answer (relay/).
 */
import { REPLY_LINE_OCTETS, REPLY_LINES } from './limits.ts';
import { printable } from './printable.ts';
import type { Reply } from './reply.ts';

/** What a server sent is not a reply. `reason` is a fixed word for logs, never text from the server. */
export class ReplySyntaxError extends Error {
  readonly reason: ReplyFault;

  constructor(reason: ReplyFault) {
    super(`not an SMTP reply: ${reason}`);
    this.name = 'ReplySyntaxError';
    this.reason = reason;
  }
}

export type ReplyFault =
  'line-too-long' | 'too-many-lines' | 'bare-cr-or-lf' | 'nul' | 'bad-code' | 'codes-differ';

const CR = 0x0d;
const LF = 0x0a;
const LINE = /^([2-5][0-9]{2})(?:([ -])|$)/;

export class ReplyReader {
  #pending: Buffer = Buffer.alloc(0);
  #code: string | undefined;
  #lines: string[] = [];

  /** True when no octet of an unfinished reply is held. */
  get isEmpty(): boolean {
    return this.#pending.length === 0 && this.#lines.length === 0;
  }

  /**
   * Takes octets and gives the replies they complete, in order.
   *
   * @throws {ReplySyntaxError} the reader is of no use afterwards
   */
  *read(octets: Buffer): Generator<Reply> {
    this.#pending = this.#pending.length === 0 ? octets : Buffer.concat([this.#pending, octets]);
    for (;;) {
      const end = this.#pending.indexOf(LF);
      if (end > REPLY_LINE_OCTETS || (end < 0 && this.#pending.length > REPLY_LINE_OCTETS)) {
        throw new ReplySyntaxError('line-too-long');
      }
      if (end < 0) return;
      const reply = this.#takeLine(this.#pending.subarray(0, end));
      this.#pending = this.#pending.subarray(end + 1);
      if (reply !== undefined) yield reply;
    }
  }

  /** @param line without LF */
  #takeLine(line: Buffer): Reply | undefined {
    const last = line.length - 1;
    // A bare LF or CR would let two readers see different replies, so neither is a line end here.
    if (last < 0 || line.indexOf(CR) !== last) throw new ReplySyntaxError('bare-cr-or-lf');
    if (line.includes(0)) throw new ReplySyntaxError('nul');
    const text = line.subarray(0, last);
    const [head, code, separator] = LINE.exec(text.toString('latin1')) ?? [];
    if (head === undefined || code === undefined) throw new ReplySyntaxError('bad-code');
    // RFC 5321 §4.2.1: the code is the same on each line of a reply.
    if (this.#code !== undefined && this.#code !== code) throw new ReplySyntaxError('codes-differ');
    this.#lines.push(printable(text.subarray(head.length), REPLY_LINE_OCTETS));
    if (separator === '-') {
      if (this.#lines.length >= REPLY_LINES) throw new ReplySyntaxError('too-many-lines');
      this.#code = code;
      return undefined;
    }
    const reply = { code: Number(code), lines: this.#lines };
    this.#code = undefined;
    this.#lines = [];
    return reply;
  }
}
