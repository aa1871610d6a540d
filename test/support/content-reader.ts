/**
 * Reads the content of a DATA command as a server must (RFC 5321 §4.5.2): un-stuffs dots, ends at CRLF.CRLF only.
 *
 * Guarantees: time and memory are linear in what arrives; however the octets are cut into chunks, the content is the same.
 */
export interface ContentPart {
  /** Content, in order. */
  readonly pieces: readonly Buffer[];
  /** What follows the final dot; undefined while that has not come. */
  readonly rest: Buffer | undefined;
}

const END = '\r\n.\r\n';

export class ContentReader {
  // The CRLF that ended the DATA line counts for a dot on the first line; it is not content.
  #held: Buffer = Buffer.from('\r\n');
  #notContent = 2;

  read(chunk: Buffer): ContentPart {
    const octets = Buffer.concat([this.#held, chunk]);
    const pieces: Buffer[] = [];
    let from = 0;
    for (;;) {
      const dot = octets.indexOf('\r\n.', from);
      if (dot < 0) return this.#wait(octets, from, undecided(octets, from), pieces);
      const next = octets.subarray(dot, dot + END.length).toString('latin1');
      if (next === END) {
        this.#give(octets.subarray(from, dot + 2), pieces);
        return { pieces, rest: octets.subarray(dot + END.length) };
      }
      if (END.startsWith(next)) return this.#wait(octets, from, dot, pieces);
      this.#give(octets.subarray(from, dot + 2), pieces);
      from = dot + 3;
    }
  }

  #wait(octets: Buffer, from: number, upTo: number, pieces: Buffer[]): ContentPart {
    this.#give(octets.subarray(from, upTo), pieces);
    this.#held = octets.subarray(upTo);
    return { pieces, rest: undefined };
  }

  #give(piece: Buffer, pieces: Buffer[]): void {
    const content = piece.subarray(this.#notContent);
    this.#notContent -= piece.length - content.length;
    if (content.length > 0) pieces.push(content);
  }
}

/** Where the end of `octets` might be the beginning of a line end with a dot. */
function undecided(octets: Buffer, from: number): number {
  const tail = octets.subarray(Math.max(from, octets.length - 2)).toString('latin1');
  if (tail.endsWith('\r\n')) return octets.length - 2;
  return tail.endsWith('\r') ? octets.length - 1 : octets.length;
}
