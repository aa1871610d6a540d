/**
 * Those who wait for a hop, in the order in which they came; those whom no client waits for come behind all others.
 *
 * Guarantees: each hears exactly once: of a hop, of a failure, or that its time is up.
 */
import { RelayError, type Extension } from '../protocol/failure.ts';
import type { PooledHop } from './pooled-hop.ts';

/** What a transaction needs of its hop. */
export interface Need {
  /** What the upstream must offer. */
  readonly extension?: Extension | undefined;
  /** Not one that has served before: such a one was found dead. */
  readonly isFresh?: boolean | undefined;
  /** Whether health alone asks for it: then the log need not tell that it was opened. */
  readonly isProbe?: boolean | undefined;
  /** Whether no client waits for it. */
  readonly isBackground?: boolean | undefined;
  /** Aborts when nobody needs it any more. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly need: Need;
  readonly resolve: (hop: PooledHop) => void;
  readonly reject: (error: unknown) => void;
}

/** The failure of an opening says more than "it took too long", so it is heard first, also on a machine that has no time. */
const GRACE_MS = 1_000;

export class WaitingLine {
  readonly #line: Waiting[] = [];

  get length(): number {
    return this.#line.length;
  }

  /** Whether all of them only want to see that there is a hop. */
  get isProbing(): boolean {
    return this.#line.length > 0 && this.#line.every(({ need }) => need.isProbe === true);
  }

  /**
   * @param budgetMs how long to wait
   * @param timeUp why it was in vain
   * @throws {RelayError}
   */
  async join(need: Need, budgetMs: number, timeUp: () => RelayError): Promise<PooledHop> {
    const { promise, resolve, reject } = Promise.withResolvers<PooledHop>();
    const waiting: Waiting = { need, resolve, reject };
    const leave = (why: RelayError): void => {
      const at = this.#line.indexOf(waiting);
      if (at >= 0) this.#line.splice(at, 1);
      reject(why);
    };
    const onAbort = (): void => leave(abandoned());
    const timer = setTimeout(() => leave(timeUp()), budgetMs + GRACE_MS);
    need.signal?.addEventListener('abort', onAbort, { once: true });
    this.#line.push(waiting);
    if (need.signal?.aborted === true) onAbort();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      need.signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Gives a hop to whoever waits longest for such a one, to a client if one does.
   *
   * @returns whether somebody took it
   */
  serve(hop: PooledHop): boolean {
    const fitting = this.#line.filter(({ need }) => meets(hop, need));
    const next = fitting.find(({ need }) => need.isBackground !== true) ?? fitting[0];
    if (next === undefined) return false;
    this.#line.splice(this.#line.indexOf(next), 1);
    next.resolve(hop);
    return true;
  }

  /** A hop was opened: who needs what it lacks waits in vain. */
  disappoint(hop: PooledHop): void {
    for (const { need, reject } of this.#takeOut(({ need: { extension } }) => !hop.offers(extension))) {
      if (need.extension !== undefined)
        reject(new RelayError({ kind: 'unsupported', extension: need.extension }));
    }
  }

  /** Nobody gets one. */
  dissolve(why: unknown): void {
    for (const { reject } of this.#takeOut(() => true)) reject(why);
  }

  #takeOut(isMeant: (waiting: Waiting) => boolean): readonly Waiting[] {
    const all = this.#line.splice(0);
    this.#line.push(...all.filter((waiting) => !isMeant(waiting)));
    return all.filter(isMeant);
  }
}

/** Whether a hop will do. */
export function meets(hop: PooledHop, { extension, isFresh }: Need): boolean {
  return hop.offers(extension) && !(isFresh === true && hop.isReused);
}

function abandoned(): RelayError {
  return new RelayError({ kind: 'lost', phase: 'mail', reason: 'abandoned' });
}
