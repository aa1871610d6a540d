/**
 * Finds the line with nothing but a dot that ends a message typed by hand, in content whose only line ending is CRLF.
 *
 * Guarantees: finds it however the octets are cut; at the end of the input the line needs no line end.
 */
const LF = 0x0a;
const LONE_DOT = Buffer.from('.\r\n');
/** There is no LF without CR; the CR may have come with the octets before. */
const LF_LONE_DOT = Buffer.from('\n.\r\n');

export class LoneDot {
  /** What may turn out to be it: nothing, a dot, or a dot and CR, at the start of a line. */
  #pending: Buffer = Buffer.alloc(0);
  #atLineStart = true;
  hasCome = false;

  /** @returns the octets that are known to belong to the message */
  read(octets: Buffer): Buffer {
    const text = Buffer.concat([this.#pending, octets]);
    const end = this.#find(text);
    if (end !== undefined) {
      this.hasCome = true;
      return text.subarray(0, end);
    }
    const certain = text.length - this.#openLength(text);
    this.#pending = text.subarray(certain);
    const given = text.subarray(0, certain);
    if (given.length > 0) this.#atLineStart = given.at(-1) === LF;
    return given;
  }

  #find(text: Buffer): number | undefined {
    if (this.#atLineStart && text.subarray(0, LONE_DOT.length).equals(LONE_DOT)) return 0;
    const found = text.indexOf(LF_LONE_DOT);
    return found < 0 ? undefined : found + 1;
  }

  /** How many octets at the end are the beginning of such a line. */
  #openLength(text: Buffer): number {
    for (const length of [2, 1]) {
      const start = text.length - length;
      const startsLine = start === 0 ? this.#atLineStart : text[start - 1] === LF;
      if (start >= 0 && startsLine && text.subarray(start).equals(LONE_DOT.subarray(0, length)))
        return length;
    }
    return 0;
  }
}
