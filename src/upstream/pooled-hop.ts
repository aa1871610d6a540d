/**
 * A secured hop as the pool keeps it: how old it is, how long idle, whether it has served before.
 */
import type { Extension } from '../protocol/failure.ts';
import type { OpenHop } from './open-way.ts';
import type { SecuredHop } from './secured-hop.ts';
import type { Target } from './target.ts';
import type { Way } from './way.ts';

/** Hops that were opened together do not all grow old together. */
const AGE_SPREAD = 0.2;

export class PooledHop implements OpenHop {
  readonly hid: string;
  readonly target: Target;
  readonly way: Way;
  readonly hop: SecuredHop;
  untold: OpenHop['untold'];
  /** Whether it has served or lain idle: its connection may have died unnoticed. */
  isReused = false;
  /** Whether it is being recovered. */
  isReturning = false;
  /** performance.now() */
  readonly openedAt = performance.now();
  readonly #bestBefore: number;
  #idleSince = this.openedAt;

  /** @param maxAgeMs milliseconds from now */
  constructor({ hid, target, way, hop, untold }: OpenHop, maxAgeMs: number) {
    this.hid = hid;
    this.target = target;
    this.way = way;
    this.hop = hop;
    this.untold = untold;
    this.#bestBefore = this.openedAt + maxAgeMs * (1 - AGE_SPREAD * Math.random());
  }

  /** Milliseconds since it was opened. */
  get ageMs(): number {
    return Math.round(performance.now() - this.openedAt);
  }

  /** Milliseconds since it was used. */
  get idleMs(): number {
    return performance.now() - this.#idleSince;
  }

  offers(extension: Extension | undefined): boolean {
    return extension === undefined || this.hop.capabilities.has(extension);
  }

  /** Whether its time is over: too old, or so many messages carried. */
  isWorn(maxMessages: number): boolean {
    return this.hop.transactions >= maxMessages || performance.now() >= this.#bestBefore;
  }

  /** It has nothing to do from now on. */
  rest(): void {
    this.isReused = true;
    this.#idleSince = performance.now();
  }
}
