/**
 * Makes stray line endings CRLF, so that no parser behind us can see an end of message that we did not see.
 *
 * Guarantees: what comes out has CR and LF only as CRLF: a bare LF becomes CRLF, a bare CR a blank; all else is passed
 * on as views of the octets given.
 */
import { LineBreaks } from './line-breaks.ts';

const CR = 0x0d;
const LF = 0x0a;
const CRLF = Buffer.from('\r\n');
const BLANK = Buffer.from(' ');

export class LineEndings {
  /** Whether a bare CR or LF was met so far. */
  sawStray = false;
  /** A CR ended the octets given before: its meaning is not known yet. */
  #heldCr = false;

  /** @param emit gets non-empty pieces, in order */
  write(octets: Buffer, emit: (piece: Buffer) => void): void {
    if (octets.length === 0) return;
    let kept = 0;
    const replace = (at: number, by: Buffer): void => {
      if (at > kept) emit(octets.subarray(kept, at));
      emit(by);
      kept = at + 1;
      this.sawStray = true;
    };
    if (this.#heldCr) kept = this.#settleHeldCr(octets, emit);
    const last = octets.length - 1;
    const breaks = new LineBreaks(octets);
    for (let at = breaks.next(kept); at <= last; at = breaks.next(at + 1)) {
      if (octets[at] === LF) replace(at, CRLF);
      else if (octets[at + 1] === LF) at += 1;
      else if (at < last) replace(at, BLANK); // the last one is held: the next octet decides
    }
    this.#heldCr = octets[last] === CR;
    const end = this.#heldCr ? last : octets.length;
    if (end > kept) emit(octets.subarray(kept, end));
  }

  /** Gives what was held back; the message is over. */
  end(emit: (piece: Buffer) => void): void {
    if (!this.#heldCr) return;
    this.#heldCr = false;
    this.sawStray = true;
    emit(BLANK);
  }

  /** @returns index of the first octet not yet given */
  #settleHeldCr(octets: Buffer, emit: (piece: Buffer) => void): number {
    if (octets[0] === LF) {
      emit(CRLF);
      return 1;
    }
    this.sawStray = true;
    emit(BLANK);
    return 0;
  }
}
