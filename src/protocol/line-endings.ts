/**
 * Makes stray line endings CRLF, so that no parser behind us can see an end of message that we did not see.
 *
 * Guarantees: what comes out has CR and LF only as CRLF: a bare LF becomes CRLF, a bare CR a blank; all else is passed
 * on as views of the octets given.
 */
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
    let lf = octets.indexOf(LF, kept);
    let cr = octets.indexOf(CR, kept);
    while (lf >= 0 || cr >= 0) {
      if (cr >= 0 && (lf < 0 || cr < lf)) {
        if (cr === octets.length - 1) break; // held: the next octet decides
        if (lf === cr + 1) lf = octets.indexOf(LF, lf + 1);
        else replace(cr, BLANK);
        cr = octets.indexOf(CR, cr + 1);
      } else {
        replace(lf, CRLF);
        lf = octets.indexOf(LF, lf + 1);
      }
    }
    this.#heldCr = octets[octets.length - 1] === CR;
    const end = this.#heldCr ? octets.length - 1 : octets.length;
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
