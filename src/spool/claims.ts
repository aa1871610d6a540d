/**
 * The claims of this process, by message: renewed for as long as it has them.
 */
import { CLAIM_MS, type Claim, type Entry, type SpoolStore } from './spool-store.ts';
import type { SpooledMessage } from './spooled-message.ts';

/** How often they are renewed, and how soon again while that fails. */
const RENEW_MS = CLAIM_MS / 3;
const AGAIN_MS = 2_000;

export class Claims {
  readonly #store: Pick<SpoolStore, 'renew' | 'settle'>;
  /** The newest of a message, should an older one of ours have ended meanwhile. */
  readonly #held = new Map<string, Claim>();

  #renewal: NodeJS.Timeout | undefined;
  #isKept = false;

  constructor(store: Pick<SpoolStore, 'renew' | 'settle'>) {
    this.#store = store;
  }

  /** Renews them from now on. @param tryTo never fails, and tells whether it could */
  keep(tryTo: (renew: () => Promise<void>) => Promise<boolean>): void {
    this.#isKept = true;
    const renewIn = (ms: number): void => {
      if (!this.#isKept) return;
      this.#renewal = setTimeout(() => {
        void tryTo(async () => this.#renew()).then((isDone) => renewIn(isDone ? RENEW_MS : AGAIN_MS));
      }, ms).unref();
    };
    renewIn(RENEW_MS);
  }

  /** Renews nothing any more: what is not settled ends by itself. */
  letGo(): void {
    this.#isKept = false;
    clearTimeout(this.#renewal);
  }

  /** @returns false where we have the message already: the newer claim takes the place of the older */
  take(claim: Claim): boolean {
    const { id } = claim.message;
    const isNew = !this.#held.has(id);
    this.#held.set(id, claim);
    return isNew;
  }

  /** It is not renewed any more. */
  drop(id: string): void {
    this.#held.delete(id);
  }

  /** @returns whether nobody else has taken the message, nor will for a while */
  async isHeld(id: string): Promise<boolean> {
    const claim = this.#held.get(id);
    return claim !== undefined && (await this.#store.renew([claim])) === 1;
  }

  /** Writes down what became of a message, as `SpoolStore.settle`. */
  async settle(id: string, after: SpooledMessage | undefined, report?: Entry): Promise<boolean> {
    const claim = this.#held.get(id);
    return claim !== undefined && this.#store.settle(claim, after, report);
  }

  async #renew(): Promise<void> {
    if (this.#held.size > 0) await this.#store.renew([...this.#held.values()]);
  }
}
