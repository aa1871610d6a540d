/**
 * The memory that all sessions together may hold while headers come in.
 *
 * Guarantees: what a share holds counts once, and no longer than the share says so.
 */
import { RelayError } from '../protocol/failure.ts';

const EXHAUSTED = 'The relay holds too many unfinished headers; send it again later.';

export class MemoryBudget {
  readonly #octets: number;
  #held = 0;

  constructor(octets: number) {
    this.#octets = octets;
  }

  /** A part of it that begins with nothing. */
  share(): MemoryShare {
    let own = 0;
    return {
      hold: (octets) => {
        const held = this.#held - own + octets;
        if (octets > own && held > this.#octets)
          throw new RelayError({ kind: 'capacity', reason: EXHAUSTED });
        this.#held = held;
        own = octets;
      },
    };
  }
}

export interface MemoryShare {
  /** How much is held from now on. @throws {RelayError} capacity, when more is not to be had */
  hold(octets: number): void;
}
