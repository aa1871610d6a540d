/**
 * How long a server that is away is left alone: hundreds of messages are no reason for hundreds of connections.
 */
import type { DatabaseError } from './database-error.ts';

const FIRST_MS = 100;
const LONGEST_MS = 3_000;

export class Rest {
  #failures = 0;
  #until = 0;
  #why: DatabaseError | undefined;

  /** @throws {DatabaseError} why there was no connection, while it is not to be tried again */
  expectOver(): void {
    if (this.#why !== undefined && performance.now() < this.#until) throw this.#why;
  }

  /** Tries that failed side by side count once. @returns the failure */
  begin(why: DatabaseError): DatabaseError {
    if (performance.now() >= this.#until) {
      this.#until = performance.now() + Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
      this.#failures += 1;
    }
    this.#why = why;
    return why;
  }

  end(): void {
    this.#failures = 0;
    this.#why = undefined;
  }
}
