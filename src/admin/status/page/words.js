/**
 * Numbers, times and terms as people say them.
 */

/** @param {number} at milliseconds since 1970 */
export function clockTime(at) {
  return new Date(at).toLocaleTimeString(undefined, { hour12: false });
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;
}

/** @param {number} octets */
export function size(octets) {
  if (octets < 1_000) return `${octets} octets`;
  return octets < 1_000_000 ? `${(octets / 1_000).toFixed(1)} kB` : `${(octets / 1_000_000).toFixed(1)} MB`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

const PROOFS = new Map([
  ['pkix', 'a certificate from a trusted authority'],
  ['pin', 'its pinned key'],
  ['pkix-and-pin', 'a certificate from a trusted authority, and its pinned key'],
  ['dane-ee', 'its key in DNS (DANE)'],
  ['dane-ta', 'its authority in DNS (DANE)'],
]);

/** How an upstream has shown who it is. @param {string} authenticatedBy */
export function proof(authenticatedBy) {
  return PROOFS.get(authenticatedBy) ?? authenticatedBy;
}

const OUTCOMES = new Map([
  ['delivered', 'delivered'],
  ['kept', 'kept'],
  ['refused', 'refused'],
  ['unknown', 'unconfirmed'],
  ['abandoned', 'abandoned'],
]);

/** @param {string} [outcome] */
export function outcomeWord(outcome = '') {
  return OUTCOMES.get(outcome) ?? 'under way';
}

/** @param {string} address */
export function isLoopback(address) {
  return address === 'localhost' || address === '::1' || address.startsWith('127.');
}
