/**
 * What one connection has of the limits, from its first moment to its last.
 *
 * Guarantees: all of it is given back, once, whoever notices the end: smtp-server takes the listeners off a socket when it
 * begins TLS on it.
 */
import type { ClientLimits, OverLimit } from './client-limits.ts';

export class ClientPlace {
  readonly #limits: ClientLimits;
  #address: string | undefined;
  #isLeft = false;

  /** @param limits which counted it when it came */
  constructor(limits: ClientLimits) {
    this.#limits = limits;
  }

  /** Whose it is; undefined before that is known. */
  get address(): string | undefined {
    return this.#address;
  }

  /** Counts it for its client. @returns undefined when it may stay */
  countFor(address: string): OverLimit | undefined {
    if (this.#isLeft) return undefined;
    const over = this.#limits.enterFrom(address);
    if (over === undefined) this.#address = address;
    return over;
  }

  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#limits.leave();
    if (this.#address !== undefined) this.#limits.leaveFrom(this.#address);
  }
}
