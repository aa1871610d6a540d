/**
 * The claims of this process, by message: renewed for as long as it has them.
 */
import type { Claim, Entry, SpoolStore } from './spool-store.ts';
import type { SpooledMessage } from './spooled-message.ts';

export class Claims {
  readonly #store: SpoolStore;
  /** The newest of a message, should an older one of ours have ended meanwhile. */
  readonly #held = new Map<string, Claim>();

  constructor(store: SpoolStore) {
    this.#store = store;
  }

  /** @returns false where we have the message already: the newer claim takes the place of the older */
  take(claim: Claim): boolean {
    const { id } = claim.message;
    const isNew = !this.#held.has(id);
    this.#held.set(id, claim);
    return isNew;
  }

  /** Nothing is renewed any more: what is not settled ends by itself. */
  drop(id: string): void {
    this.#held.delete(id);
  }

  /** @returns whether nobody else has taken the message, nor will for a while */
  async isHeld(id: string): Promise<boolean> {
    const claim = this.#held.get(id);
    return claim !== undefined && (await this.#store.renew([claim])) === 1;
  }

  async renew(): Promise<void> {
    if (this.#held.size > 0) await this.#store.renew([...this.#held.values()]);
  }

  /** Writes down what became of a message, as `SpoolStore.settle`. */
  async settle(id: string, after: SpooledMessage | undefined, report?: Entry): Promise<boolean> {
    const claim = this.#held.get(id);
    return claim !== undefined && this.#store.settle(claim, after, report);
  }
}
