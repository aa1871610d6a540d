/**
 * Who ended a hop, by the word that its channel has for it.
 */
const BY_US: readonly string[] = ['quit', 'destroyed'];
const BY_THE_UPSTREAM: readonly string[] = ['upstream-closing', 'connection-closed'];

export function isOurs(reason: string): boolean {
  return BY_US.includes(reason);
}

/** The upstream let it go in good order; else it was lost. */
export function isPolite(reason: string): boolean {
  return BY_THE_UPSTREAM.includes(reason);
}
