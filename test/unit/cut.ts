/**
 * Cuts octets into pieces, as a network may.
 */
export function cut(octets: Buffer, at: readonly number[]): readonly Buffer[] {
  const places = [0, ...at.filter((place) => place < octets.length).toSorted((a, b) => a - b), octets.length];
  return places.slice(1).map((end, index) => octets.subarray(places[index], end));
}
