/**
 * Whether mail can flow: by the hop that was secured last, or by opening one.
 *
 * Guarantees: at most one hop is opened for a question, however many ask at once; it stays in the pool for the next
 * message.
 */
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { HopPool } from '../upstream/pool.ts';
import type { Target } from '../upstream/target.ts';

/** How long a secured hop speaks for the upstream. */
const FRESH_MS = 60_000;

export type Health =
  | { readonly ready: true }
  /** `reason`: the result type of RFC 8460 §4.3 for a hop that could not be secured, else the kind of failure. */
  | { readonly ready: false; readonly reason: string };

/** Who can be asked: this process's probe, or that of several processes (shared-health.ts). */
export interface Readiness {
  ask(): Promise<Health>;
}

export class HealthProbe implements Readiness {
  readonly #pool: HopPool;
  readonly #targets: () => readonly Target[];
  #underWay: Promise<Health> | undefined;

  /** @param targets those that count at the moment of a question */
  constructor(pool: HopPool, targets: () => readonly Target[]) {
    this.#pool = pool;
    this.#targets = targets;
  }

  /** Undefined when only a probe could tell. */
  get known(): Health | undefined {
    const secured = this.#pool.lastSecured;
    return secured !== undefined && performance.now() - secured < FRESH_MS ? { ready: true } : undefined;
  }

  async ask(): Promise<Health> {
    const { known } = this;
    if (known !== undefined) return known;
    this.#underWay ??= this.#probe().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #probe(): Promise<Health> {
    try {
      await this.#pool.giveBack(
        await this.#pool.lease({ targets: this.#targets(), isFresh: true, isTrial: true, isProbe: true }),
      );
      return { ready: true };
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      return { ready: false, reason: reasonOf(error.failure) };
    }
  }
}

function reasonOf(failure: Failure): string {
  return failure.kind === 'tls' ? failure.resultType : failure.kind;
}
