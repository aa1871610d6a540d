/**
 * How long an upstream keeps its sessions, how many it wants at once: what it says, and what it was seen to do.
 *
 * Guarantees: what was seen only makes us more careful than the operator's limits, and is tried again after a while.
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
  /** How many messages may begin in any minute; Infinity for as many as come. */
  readonly messagesPerMinute: number;
}

/** What one upstream allows. */
export type HopCaps = Partial<Pick<HopLimits, 'max' | 'maxAgeMs' | 'maxMessages' | 'messagesPerMinute'>>;

export function within(limits: HopLimits, caps: HopCaps = {}): HopLimits {
  const { max = Infinity, maxAgeMs = Infinity, maxMessages = Infinity, messagesPerMinute = Infinity } = caps;
  return {
    ...limits,
    max: Math.min(limits.max, max),
    maxAgeMs: Math.min(limits.maxAgeMs, maxAgeMs),
    maxMessages: Math.min(limits.maxMessages, maxMessages),
    messagesPerMinute: Math.min(limits.messagesPerMinute, messagesPerMinute),
  };
}

/** How long an idle time that was seen counts. */
const KEPT_MS = 600_000;

/** An idle session that ended sooner than this was not ended for idleness. */
const LEAST_IDLE_MS = 10_000;

/** After so long one more session is tried than was taken before. */
const ONE_MORE_MS = 10_000;

export class Habits {
  readonly #limits: HopLimits;
  readonly #now: () => number;
  #taken = { connections: Infinity, at: 0 };
  #idle = { ms: Infinity, until: 0 };
  #mailMax = Infinity;

  /** @param now milliseconds */
  constructor(limits: HopLimits, now = (): number => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Hops at once. */
  get connections(): number {
    const { connections, at } = this.#taken;
    return Math.min(this.#limits.max, connections + Math.floor((this.#now() - at) / ONE_MORE_MS));
  }

  /** How long an idle hop is left alone, milliseconds. */
  get idleMs(): number {
    const { ms, until } = this.#idle;
    return Math.min(this.#limits.idleMs, this.#now() < until ? ms : Infinity);
  }

  /** Messages on one hop. */
  get messages(): number {
    return Math.min(this.#limits.maxMessages, this.#mailMax);
  }

  /**
   * A session was opened, and so many are open now: LIMITS tells how many messages it takes (RFC 9422 §4).
   */
  opened({ limits }: Capabilities, open: number): void {
    if (open > this.#taken.connections) this.refusedBeyond(open);
    // Domains are counted over a session: with one message a session they are those of that message.
    this.#mailMax = limits.domainMax === undefined ? (limits.mailMax ?? Infinity) : 1;
  }

  /** One more session was refused while so many were open: it wants no more than those. */
  refusedBeyond(open: number): void {
    this.#taken = { connections: open, at: this.#now() };
  }

  /** A session was ended that had been idle so long. */
  endedAfter(idleMs: number): void {
    if (idleMs >= LEAST_IDLE_MS)
      this.#idle = { ms: Math.min(this.idleMs, idleMs * 0.8), until: this.#now() + KEPT_MS };
  }
}
