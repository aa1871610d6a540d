/**
 * Content in pieces of a size that suits whoever stores it.
 */

/** The same octets, each piece but the last at least that large. */
export async function* pieces(content: AsyncIterable<Buffer>, octets: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let length = 0;
  for await (const piece of content) {
    held.push(piece);
    length += piece.length;
    if (length < octets) continue;
    yield Buffer.concat(held);
    held = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(held);
}
