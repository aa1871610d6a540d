/**
 * Dot-stuffing for DATA (RFC 5321 §4.5.2), of content whose only line ending is CRLF.
 *
 * Guarantees: no line of what comes out is a lone dot but the last; views of the octets given, no copies.
 */
const LF = 0x0a;
const DOT = 0x2e;
const STUFFED = Buffer.from('.');
const END = Buffer.from('.\r\n');
const END_OF_OPEN_LINE = Buffer.from('\r\n.\r\n');

export class DotStuffer {
  #atLineStart = true;

  /** @param emit gets non-empty pieces, in order */
  write(octets: Buffer, emit: (piece: Buffer) => void): void {
    if (octets.length === 0) return;
    if (this.#atLineStart && octets[0] === DOT) emit(STUFFED);
    let kept = 0;
    for (let at = octets.indexOf('\n.'); at >= 0; at = octets.indexOf('\n.', at + 1)) {
      emit(octets.subarray(kept, at + 1));
      emit(STUFFED);
      kept = at + 1;
    }
    if (kept < octets.length) emit(octets.subarray(kept));
    this.#atLineStart = octets[octets.length - 1] === LF;
  }

  /** The end of the message: CRLF where the last line lacks it, and the final dot. */
  end(): Buffer {
    return this.#atLineStart ? END : END_OF_OPEN_LINE;
  }
}
