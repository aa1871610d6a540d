/**
 * How several relays divide the connections that an account allows.
 *
 * Guarantees: what is granted is never more than the cap in all, but for what a relay holds already; nobody who wants less
 * than an equal part gets less than he wants, once the others have let go.
 */

/** Of another relay, as it was told last. */
export interface Other {
  readonly granted: number;
  readonly wanted: number;
}

/** Of ours, now. */
export interface Own {
  readonly held: number;
  readonly wanted: number;
}

export interface Part {
  /** What is ours until it is given back. */
  readonly granted: number;
  /** How many there may be: fewer than are held, where others wait for them. */
  readonly bound: number;
}

export function partOf(max: number, { held, wanted }: Own, others: readonly Other[]): Part {
  const taken = others.reduce((sum, { granted }) => sum + granted, 0);
  const missing = others.reduce((sum, other) => sum + Math.max(0, other.wanted - other.granted), 0);
  const fair = fairPart(max, wanted, others);
  // Some more than is needed now, where nobody waits: else every hop would cost a question.
  const ahead = Math.floor(max / (others.length + 1) / 2);
  const target = missing > 0 ? Math.max(fair, held - missing) : Math.max(held, wanted + ahead);
  const granted = Math.max(held, Math.min(target, max - taken));
  return { granted, bound: Math.min(granted, target) };
}

/** What is left when everybody has an equal part, or less if he wants less, is for whoever comes first. */
function fairPart(max: number, wanted: number, others: readonly Other[]): number {
  const equal = equalPart(max, [wanted, ...others.map((other) => other.wanted)]);
  const theirs = others.reduce((sum, one) => sum + Math.max(one.granted, Math.min(one.wanted, equal)), 0);
  return Math.min(wanted, Math.max(equal, Math.min(equal + 1, max - theirs)));
}

/** Max-min: everybody gets one more in turn, as long as he wants one and there is one for each. */
function equalPart(max: number, wishes: readonly number[]): number {
  let left = max;
  let each = 0;
  let open = wishes.filter((wish) => wish > 0);
  while (open.length > 0 && left >= open.length) {
    const step = Math.min(Math.floor(left / open.length), Math.min(...open) - each);
    each += step;
    left -= step * open.length;
    open = open.filter((wish) => wish > each);
  }
  return each;
}
