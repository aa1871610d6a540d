/**
 * A message that is safe in the spool before it is known whether it is to stay there: somebody else has the last word.
 *
 * Guarantees: nobody delivers it before that; should this process die first, it is delivered as if it was to stay.
 */
import { RelayError } from '../protocol/failure.ts';
import type { Runner } from './runner.ts';
import type { SpooledMessage } from './spooled-message.ts';

export class HeldMessage {
  readonly #message: SpooledMessage;
  readonly #runner: Runner;

  /** @param message claimed by us */
  constructor(message: SpooledMessage, runner: Runner) {
    this.#message = message;
    this.#runner = runner;
  }

  /** It stays as it is. Never fails: what cannot be written down now does not change that. */
  async release(): Promise<void> {
    await this.#settle(this.#message).catch(() => false); // the claim ends by itself
    this.#runner.claims.drop(this.#message.id);
    this.#runner.expect(this.#message.nextAttemptAt);
  }

  /** It stays, but otherwise. @throws {RelayError} spool, and it does not stay */
  async change(message: SpooledMessage): Promise<void> {
    try {
      if (!(await this.#settle(message))) throw new RelayError({ kind: 'spool', reason: 'overtaken' });
    } catch (error) {
      await this.drop();
      throw error;
    }
    this.#runner.claims.drop(message.id);
    this.#runner.expect(message.nextAttemptAt);
  }

  /** It goes: at once, or as soon as the spool can be written; until then nobody else gets it. */
  async drop(): Promise<void> {
    const { id } = this.#message;
    try {
      await this.#settle(undefined);
      this.#runner.claims.drop(id);
    } catch {
      const dropped = this.#runner.insist(async () => this.#settle(undefined)); // which says what is wrong
      void dropped.finally(() => this.#runner.claims.drop(id));
    }
  }

  async #settle(after: SpooledMessage | undefined): Promise<boolean> {
    return this.#runner.claims.settle(this.#message.id, after);
  }
}
