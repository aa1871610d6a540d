/**
 * The spool: what the relay sees of it.
 *
 * Guarantees: a message that `keep` has taken is delivered, returned to its sender, or still here, whatever happens to this
 * process.
 */
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import type { Draft } from './draft.ts';
import { HeldMessage } from './held-message.ts';
import { isHopFailure } from './hop-failure.ts';
import { retryAfterMs } from './retry-schedule.ts';
import { Runner, type RunnerSurroundings } from './runner.ts';
import type { SpoolMeasure } from './spool-store.ts';
import type { SpooledMessage, SpooledRecipient } from './spooled-message.ts';

/** A message that its client's own attempt has not delivered. */
export interface NewMessage {
  /** The transaction's. */
  readonly id: string;
  /** The name of its upstream; undefined for the one that needs none. */
  readonly route: string | undefined;
  readonly sender: PathArgument;
  /** At least one. */
  readonly recipients: readonly Undelivered[];
}

export interface Undelivered {
  readonly argument: PathArgument;
  /** Why it has not got the message; after `outcome-unknown` it may have. */
  readonly failure: Failure;
}

export class Spool {
  readonly #around: RunnerSurroundings;
  readonly #runner: Runner;
  readonly #keeping = new Set<Promise<unknown>>();

  constructor(around: RunnerSurroundings) {
    this.#around = around;
    this.#runner = new Runner(around);
  }

  /** Begins to deliver what is there. */
  start(): void {
    this.#runner.start();
  }

  /** Begins no more attempts; resolves when those under way have ended. Messages are still taken. */
  async stop(): Promise<void> {
    await this.#runner.stop();
  }

  /** Lets go of the store when all that was to be kept is. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#keeping);
    await this.#around.room.close();
    await this.#around.store.close();
  }

  /** What is in it; undefined when it cannot tell. */
  async measure(): Promise<SpoolMeasure | undefined> {
    return this.#around.store.measure().catch((error: unknown) => {
      if (!(error instanceof RelayError)) throw error;
      return undefined;
    });
  }

  /** @param octets of one more message @throws {RelayError} spool, when it is known now that there is no room for it */
  async expectRoom(octets: number): Promise<void> {
    await this.#around.store.expectRoom(octets);
  }

  /** For the content of a message that is on its way up. */
  draft(): Draft {
    return this.#around.room.draft();
  }

  /**
   * Takes a message over: resolves when it would survive a power failure. Uses up the draft, also when it fails.
   *
   * @throws {RelayError} spool, and nothing is left of it
   */
  async keep(draft: Draft, message: NewMessage): Promise<void> {
    const spooled = this.#spooled(message, draft.octets);
    await this.#tracked(this.#around.store.add({ message: spooled, content: draft }));
    if (spooled.isHopless) this.#runner.hopFailed(message.route);
    this.#runner.expect(spooled.nextAttemptAt);
  }

  /**
   * Makes a message safe before anybody knows whether it is to stay, so that nothing can go wrong afterwards. Uses up the
   * draft, also when it fails.
   *
   * @throws {RelayError} spool, and nothing is left of it
   */
  async hold(draft: Draft, message: NewMessage): Promise<HeldMessage> {
    const spooled = this.#spooled(message, draft.octets);
    const claim = await this.#tracked(this.#around.store.hold({ message: spooled, content: draft }));
    this.#runner.claims.take(claim);
    return new HeldMessage(spooled, this.#runner);
  }

  /** Keeps a held message, which turned out to be one for others too. @throws {RelayError} spool, and it is not kept */
  async keepHeld(held: HeldMessage, octets: number, message: NewMessage): Promise<void> {
    await this.#tracked(held.change(this.#spooled(message, octets)));
  }

  /** Stores are closed behind it. */
  async #tracked<T>(keeping: Promise<T>): Promise<T> {
    this.#keeping.add(keeping);
    return keeping.finally(() => this.#keeping.delete(keeping));
  }

  #spooled({ recipients, ...message }: NewMessage, octets: number): SpooledMessage {
    const now = Date.now();
    return {
      ...message,
      kind: 'mail',
      recipients: recipients.map((one) => this.#waiting(one)),
      octets,
      arrivedAt: now,
      expiresAt: now + this.#around.expiryMs,
      nextAttemptAt: now + retryAfterMs(0),
      attempts: 0,
      isHopless: recipients.every(({ failure }) => isHopFailure(failure)),
      isDelayTold: false,
    };
  }

  #waiting({ argument, failure }: Undelivered): SpooledRecipient {
    const lastWord = { reply: this.#around.replyTo(failure), isUpstreams: failure.kind === 'refused' };
    return { argument, state: 'waiting', lastWord, mayHaveIt: failure.kind === 'outcome-unknown' };
  }
}
