/**
 * Many small pieces made one: content whose every line had to be mended would else cost a write per line.
 */
const FEW = 16;

/** The same octets in few pieces; a few pieces stay as they are, uncopied. */
export function coalesce(pieces: readonly Buffer[]): readonly Buffer[] {
  return pieces.length <= FEW ? pieces : [Buffer.concat(pieces)];
}
