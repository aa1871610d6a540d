/**
 * The spool: what the relay sees of it.
 *
 * Guarantees: a message that `keep` has taken is delivered, returned to its sender, or still here, whatever happens to this
 * process.
 */
import type { Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import type { Reply } from '../protocol/reply.ts';
import type { DraftRoom } from './draft-room.ts';
import type { Draft } from './draft.ts';
import { retryAfterMs } from './retry-schedule.ts';
import type { SpoolStore } from './spool-store.ts';
import type { SpooledMessage, SpooledRecipient } from './spooled-message.ts';
import { isHopFailure } from './hop-failure.ts';

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

export interface SpoolOptions {
  /** How long a message is tried, milliseconds. */
  readonly expiryMs: number;
  /** The table of what people are told about a failure. */
  readonly replyTo: (failure: Failure) => Reply;
}

export class Spool {
  readonly #store: SpoolStore;
  readonly #room: DraftRoom;
  readonly #options: SpoolOptions;

  constructor(store: SpoolStore, room: DraftRoom, options: SpoolOptions) {
    this.#store = store;
    this.#room = room;
    this.#options = options;
  }

  /** For the content of a message that is on its way up. */
  draft(): Draft {
    return this.#room.draft();
  }

  /**
   * Takes a message over: resolves when it would survive a power failure. Uses up the draft, also when it fails.
   *
   * @throws {RelayError} spool, and nothing is left of it
   */
  async keep(draft: Draft, message: NewMessage): Promise<void> {
    await this.#store.add({ message: this.#spooled(message, draft.octets), content: draft });
  }

  #spooled({ recipients, ...message }: NewMessage, octets: number): SpooledMessage {
    const now = Date.now();
    return {
      ...message,
      kind: 'mail',
      recipients: recipients.map((one) => this.#waiting(one)),
      octets,
      arrivedAt: now,
      expiresAt: now + this.#options.expiryMs,
      nextAttemptAt: now + retryAfterMs(0),
      attempts: 0,
      isHopless: recipients.every(({ failure }) => isHopFailure(failure)),
      isDelayTold: false,
    };
  }

  #waiting({ argument, failure }: Undelivered): SpooledRecipient {
    const lastWord = { reply: this.#options.replyTo(failure), isUpstreams: failure.kind === 'refused' };
    return { argument, state: 'waiting', lastWord, mayHaveIt: failure.kind === 'outcome-unknown' };
  }
}
