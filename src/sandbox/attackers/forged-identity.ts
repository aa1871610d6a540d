/**
 * A certificate with the right names, a valid signature and a lifetime in order, from an authority that nobody was told
 * to trust: what an attacker can always make.
 */
import { buildAuthority, buildLeaf, type Pair } from '../../certificates/build-certificates.ts';

/** For localhost, by another authority than the local one. A server that presents it is the attacker's. */
export async function forgedIdentity(): Promise<Pair> {
  return buildLeaf(await buildAuthority());
}
