/**
 * How long an upstream keeps its sessions, how many it wants at once: what it says, and what it was seen to do.
 *
 * Guarantees: what was seen only makes us more careful than the operator's limits, and is forgotten after ten minutes.
 */
import type { Capabilities } from '../protocol/capabilities.ts';

/** What the operator allows towards one upstream. */
export interface HopLimits {
  /** Hops held ready though nobody needs them. */
  readonly min: number;
  /** Hops at once. */
  readonly max: number;
  /** How long a hop that nobody uses is kept, milliseconds. */
  readonly idleMs: number;
  /** How old a hop may become, milliseconds. */
  readonly maxAgeMs: number;
  /** How many messages one hop may carry. */
  readonly maxMessages: number;
}

const KEPT_MS = 600_000;

/** An idle session that ended sooner than this was not ended for idleness. */
const LEAST_IDLE_MS = 2_000;

/** Something that was seen, until it is too old to count. */
class Seen {
  readonly #now: () => number;
  #value = Infinity;
  #until = -Infinity;

  constructor(now: () => number) {
    this.#now = now;
  }

  get value(): number {
    return this.#now() < this.#until ? this.#value : Infinity;
  }

  set value(value: number) {
    this.#value = value;
    this.#until = this.#now() + KEPT_MS;
  }
}

export class Habits {
  readonly #limits: HopLimits;
  readonly #connections: Seen;
  readonly #idleMs: Seen;
  #mailMax = Infinity;

  /** @param now milliseconds */
  constructor(limits: HopLimits, now = (): number => performance.now()) {
    this.#limits = limits;
    this.#connections = new Seen(now);
    this.#idleMs = new Seen(now);
  }

  /** Hops at once. */
  get connections(): number {
    return Math.min(this.#limits.max, this.#connections.value);
  }

  /** How long an idle hop is left alone, milliseconds. */
  get idleMs(): number {
    return Math.min(this.#limits.idleMs, this.#idleMs.value);
  }

  /** Messages on one hop. */
  get messages(): number {
    return Math.min(this.#limits.maxMessages, this.#mailMax);
  }

  /** A session was opened: LIMITS tells how many messages it takes (RFC 9422 §4). */
  opened({ limits }: Capabilities): void {
    // Domains are counted over a session: with one message a session they are those of that message.
    this.#mailMax = limits.domainMax === undefined ? (limits.mailMax ?? Infinity) : 1;
  }

  /** One more session was refused while so many were open: it wants no more than those. */
  refusedBeyond(open: number): void {
    this.#connections.value = open;
  }

  /** A session was ended that had been idle so long. */
  endedAfter(idleMs: number): void {
    if (idleMs >= LEAST_IDLE_MS) this.#idleMs.value = Math.min(this.#idleMs.value, idleMs * 0.8);
  }
}
