/**
 * Finds the end of a message in what a client sends after DATA, and takes the stuffed dots away (RFC 5321 §4.5.2).
 *
 * Guarantees: only CRLF.CRLF ends a message, however the octets are cut; line endings come out as they came in; what it
 * gives are views of the octets it got, no copies.
 * Does not: mend line endings (line-endings.ts).
 */
const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const LONE_CR = Buffer.from('\r');
/** What a line that begins with a dot looks like from the line before: the only lines that matter here. */
const LINE_WITH_DOT = Buffer.from('\r\n.');

/**
 * Where in a line the next octet stands: at its start (after CRLF), after a dot at its start, after that dot and CR,
 * after a CR elsewhere, or anywhere else. The dot and the CR after it are held back until their meaning is known.
 */
type Position = 'start' | 'dot' | 'dot-cr' | 'cr' | 'inside';

export class DataReader {
  #position: Position = 'start';

  /**
   * Takes octets and gives their content.
   *
   * @param emit gets non-empty pieces of content, in order
   * @returns what follows the end of the message; undefined when it has not ended
   */
  read(octets: Buffer, emit: (piece: Buffer) => void): Buffer | undefined {
    let kept = 0; // first octet not yet given
    const giveUpTo = (end: number): void => {
      if (end > kept) emit(octets.subarray(kept, end));
    };
    let at = 0;
    while (at < octets.length) {
      const octet = octets[at];
      switch (this.#position) {
        case 'start':
          if (octet === DOT) {
            giveUpTo(at);
            kept = at += 1;
            this.#position = 'dot';
          } else this.#position = 'inside';
          break;
        case 'dot':
          if (octet === CR) {
            kept = at += 1;
            this.#position = 'dot-cr';
          } else this.#position = 'inside'; // the dot was stuffing, whatever follows it
          break;
        case 'dot-cr':
          if (octet === LF) return octets.subarray(at + 1);
          emit(LONE_CR);
          this.#position = 'cr';
          break;
        case 'cr':
          if (octet === LF) at += 1;
          this.#position = octet === LF ? 'start' : 'inside';
          break;
        case 'inside':
          at = this.#skipLines(octets, at);
          break;
      }
    }
    giveUpTo(octets.length);
    return undefined;
  }

  /** Goes on at the next dot that begins a line, or at the end of the octets. */
  #skipLines(octets: Buffer, from: number): number {
    const found = octets.indexOf(LINE_WITH_DOT, from);
    if (found >= 0) {
      this.#position = 'start';
      return found + 2;
    }
    const { length } = octets;
    if (octets[length - 1] === CR) this.#position = 'cr';
    else if (length - from >= 2 && octets[length - 1] === LF && octets[length - 2] === CR)
      this.#position = 'start';
    return length;
  }
}
