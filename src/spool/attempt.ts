/**
 * One attempt to deliver a spooled message: one transaction.
 *
 * Guarantees: the end of the message is sent only after all of its content; what nobody knows the outcome of is said to be
 * so; the hop is given back.
 */
import type { Log } from '../log/log.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import { isMailAccepted, type Reply } from '../protocol/reply.ts';
import { Envelope } from '../upstream/envelope.ts';
import type { RequireTlsRule } from '../upstream/parameters.ts';
import type { HopPool, Lease } from '../upstream/pool.ts';
import { RecipientLimits } from '../upstream/recipient-limits.ts';
import type { Target } from '../upstream/target.ts';
import { isHopFailure } from './hop-failure.ts';
import { waitingRecipients, type SpooledMessage, type SpooledRecipient } from './spooled-message.ts';

/** What all attempts have in common. */
export interface AttemptSurroundings {
  readonly pool: HopPool;
  readonly log: Log;
  readonly requireTls: RequireTlsRule;
  /** The table of what people are told about a failure. */
  readonly replyTo: (failure: Failure) => Reply;
}

export interface AttemptOrder {
  readonly message: SpooledMessage;
  /** In order of preference. */
  readonly targets: readonly Target[];
  readonly content: () => AsyncIterable<Buffer>;
  /** Asked before the message is ended: whether it is still ours to deliver. */
  readonly isHeld: () => Promise<boolean>;
  /** Aborts when it is not to begin any more. */
  readonly signal: AbortSignal;
}

/** What an attempt has learnt about a recipient: a reply of class 2, 4 or 5, and where it is from. */
export interface Word {
  readonly reply: Reply;
  readonly isUpstreams: boolean;
  readonly mayHaveIt: boolean;
}

export interface Attempt {
  /** A recipient that is not in it has to wait for another message: the upstream takes no more in one. */
  readonly words: ReadonlyMap<SpooledRecipient, Word>;
  /** What ended it before the end; undefined when the upstream answered everything. */
  readonly failure: Failure | undefined;
  readonly hid: string | undefined;
  /** Whether the upstream reports on delivery itself, where it was asked to (RFC 3461). */
  readonly isReporting: boolean;
  /** Whether the upstream takes 7-bit content alone, as far as that is known: a report on it must be fit for it. */
  readonly isSevenBit: boolean;
}

export async function attempt(around: AttemptSurroundings, order: AttemptOrder): Promise<Attempt> {
  const { targets, message, signal } = order;
  const { pool, log, requireTls } = around;
  const notes = new Notes(around, waitingRecipients(message));
  const ours = { isReportedByUs: true, isBackground: true };
  const wanted = { argument: message.sender, requireTls, targets, signal, ...ours };
  try {
    const envelope = await Envelope.begin(pool, log, wanted);
    try {
      await new Sending(order, notes, envelope).run();
    } catch (error) {
      void envelope.giveBack(error instanceof RelayError ? error.failure : undefined);
      throw error;
    } finally {
      notes.ended(envelope.lease);
      void envelope.giveBack();
    }
  } catch (error) {
    notes.end(error);
  }
  return notes;
}

/** As if all who wait had been told of that failure. */
export function failedAttempt(
  around: AttemptSurroundings,
  message: SpooledMessage,
  failure: Failure,
): Attempt {
  const notes = new Notes(around, waitingRecipients(message));
  notes.end(new RelayError(failure));
  return notes;
}

/** What is learnt, as it is learnt. */
class Notes implements Attempt {
  readonly words = new Map<SpooledRecipient, Word>();
  failure: Failure | undefined;
  hid: string | undefined;
  isReporting = false;
  isSevenBit = false;
  readonly #replyTo: (failure: Failure) => Reply;
  /** Those whom a failure of the whole would hit. */
  #concerned: readonly SpooledRecipient[];

  constructor({ replyTo }: AttemptSurroundings, waiting: readonly SpooledRecipient[]) {
    this.#replyTo = replyTo;
    this.#concerned = waiting;
  }

  ended({ hid, hop }: Lease): void {
    this.hid = hid;
    this.isReporting = hop.capabilities.has('DSN');
    this.isSevenBit = !hop.capabilities.has('8BITMIME');
  }

  /** From now on a failure is that of these. */
  concern(recipients: readonly SpooledRecipient[]): void {
    this.#concerned = recipients;
  }

  delivered(reply: Reply): void {
    for (const one of this.#concerned) this.words.set(one, { reply, isUpstreams: true, mayHaveIt: false });
  }

  failed(recipient: SpooledRecipient, failure: Failure): void {
    const mayHaveIt = failure.kind === 'outcome-unknown';
    const isUpstreams = failure.kind === 'refused';
    this.words.set(recipient, { reply: this.#replyTo(failure), isUpstreams, mayHaveIt });
  }

  /** @throws what is a mistake of ours */
  end(error: unknown): void {
    if (!(error instanceof RelayError)) throw error;
    this.failure = error.failure;
    for (const one of this.#concerned) this.failed(one, error.failure);
  }
}

class Sending {
  readonly #order: AttemptOrder;
  readonly #notes: Notes;
  readonly #envelope: Envelope;

  constructor(order: AttemptOrder, notes: Notes, envelope: Envelope) {
    this.#order = order;
    this.#notes = notes;
    this.#envelope = envelope;
  }

  /** @throws {RelayError} what ended the transaction */
  async run(): Promise<void> {
    const { message, content, isHeld } = this.#order;
    const accepted = await this.#recipients();
    this.#notes.concern(accepted);
    if (accepted.length === 0) return;
    const body = await this.#envelope.data();
    let octets = 0;
    for await (const piece of readable(content())) {
      octets += piece.length;
      await body.write([piece]);
    }
    if (octets !== message.octets) throw new RelayError({ kind: 'spool-content', reason: 'incomplete' });
    // Who was stopped for long, or whose clock was set, may find that another has the message.
    if (!(await isHeld())) throw new RelayError({ kind: 'spool', reason: 'overtaken' });
    this.#notes.delivered(await body.end());
  }

  /** @returns those that the upstream takes */
  async #recipients(): Promise<readonly SpooledRecipient[]> {
    const asked = this.#askable();
    const answers = await Promise.allSettled(asked.map(async (one) => this.#recipient(one)));
    const open = asked.filter((one) => !this.#notes.words.has(one));
    this.#notes.concern(open);
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
    return open;
  }

  /** As many as the upstream takes in one message. */
  #askable(): readonly SpooledRecipient[] {
    const { limits } = this.#envelope.lease.hop.capabilities;
    const room = new RecipientLimits();
    return waitingRecipients(this.#order.message).filter(({ argument }) => room.admit(argument.path, limits));
  }

  async #recipient(recipient: SpooledRecipient): Promise<void> {
    try {
      const reply = await this.#envelope.rcpt(recipient.argument);
      if (!isMailAccepted(reply)) this.#notes.failed(recipient, { kind: 'refused', phase: 'rcpt', reply });
    } catch (error) {
      if (!(error instanceof RelayError) || error.failure.kind !== 'unknown-parameter') throw error;
      this.#notes.failed(recipient, error.failure);
    }
  }
}

/** @throws {RelayError} spool-content, where the spool fails */
async function* readable(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* content;
  } catch (error) {
    if (!(error instanceof RelayError) || error.failure.kind !== 'spool') throw error;
    throw new RelayError({ kind: 'spool-content', reason: error.failure.reason }, { cause: error });
  }
}

/** Whether an attempt had no hop to be made on. */
export function hadNoHop({ failure, hid }: Attempt): boolean {
  return hid === undefined && failure !== undefined && isHopFailure(failure);
}
