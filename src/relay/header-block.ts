/**
 * Holds a message's header until it is whole, and knows what is in it.
 *
 * Guarantees: bounded (HEADER_BLOCK_OCTETS); linear however small the pieces; the octets come out as they came in.
 * Does not: parse fields; it counts names.
 */
import { HEADER_BLOCK_OCTETS } from '../protocol/limits.ts';

const LF = 0x0a;
// RFC 5322 §2.2: a field name is printable US-ASCII without colon; blanks before the colon are the obsolete form (§4.5).
const FIELD = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/;
/** A name longer than this is no field anybody knows. */
const NAME_OCTETS = 1_000;

export class HeaderBlock {
  receivedCount = 0;
  readonly #names = new Set<string>();
  #octets: Buffer = Buffer.alloc(0);
  #length = 0;
  #lineStart = 0;
  #isWhole = false;
  #isFirstLine = true;
  #envelopeLineOctets = 0;
  #endsEmpty = false;

  /** Whether the block has a field, named in lower case. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Whether the end of the header was seen: an empty line, or a line that is no field. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Whether the message begins with its body: no field, and no empty line that would say so. */
  get isMissing(): boolean {
    return this.#isWhole && this.#names.size === 0 && !this.#endsEmpty;
  }

  /** How long the envelope line of an mbox file is that comes before the first field, with what is folded to it. */
  get envelopeLineOctets(): number {
    return this.#envelopeLineOctets;
  }

  /** Whether the header is larger than it may be, as far as it was seen. */
  get isTooBig(): boolean {
    return (this.#isWhole ? this.#lineStart : this.#length) > HEADER_BLOCK_OCTETS;
  }

  /** Everything held so far: the header, and what came with its end. */
  get octets(): Buffer {
    return this.#octets.subarray(0, this.#length);
  }

  /** Takes content whose only line ending is CRLF. */
  add(piece: Buffer): void {
    this.#append(piece);
    const held = this.octets;
    let lf = held.indexOf(LF, this.#length - piece.length);
    while (!this.#isWhole && lf >= 0) {
      this.#takeLine(this.#lineStart, lf - 1);
      this.#lineStart = lf + 1;
      lf = held.indexOf(LF, this.#lineStart);
    }
  }

  #takeLine(start: number, end: number): void {
    const line = this.#octets.toString('latin1', start, Math.min(end, start + NAME_OCTETS));
    const isFirst = this.#isFirstLine;
    this.#isFirstLine = false;
    // Some clients send the envelope line of an mbox file first; it is no field, yet the header goes on behind it.
    const name = FIELD.exec(line)?.[1]?.toLowerCase(); // `From : a@x` is one
    if (isFirst ? name === undefined && /^>?From /.test(line) : /^[ \t]/.test(line)) {
      if (this.#names.size === 0) this.#envelopeLineOctets = end + 2;
      return;
    }
    if (name === undefined) {
      this.#isWhole = true;
      this.#endsEmpty = line === '';
      return;
    }
    this.#names.add(name);
    if (name === 'received') this.receivedCount += 1;
  }

  /** A header that comes in one piece stays where it is; nothing is ever written into a piece. */
  #append(piece: Buffer): void {
    if (this.#length === 0) {
      this.#octets = piece;
      this.#length = piece.length;
      return;
    }
    const needed = this.#length + piece.length;
    if (needed > this.#octets.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#octets.length * 2));
      this.#octets.copy(larger, 0, 0, this.#length);
      this.#octets = larger;
    }
    piece.copy(this.#octets, this.#length);
    this.#length = needed;
  }
}
