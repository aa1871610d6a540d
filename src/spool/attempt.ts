/**
 * One attempt to deliver a spooled message: one transaction on one hop.
 *
 * Guarantees: the end of the message is sent only after all of its content; what nobody knows the outcome of is said to be
 * so; the hop is given back.
 */
import type { Capabilities } from '../protocol/capabilities.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { Parameter, PathArgument } from '../protocol/path.ts';
import { isMailAccepted, type Reply } from '../protocol/reply.ts';
import {
  contentRule,
  mailCommand,
  neededExtension,
  rcptCommand,
  type RequireTlsRule,
} from '../upstream/parameters.ts';
import type { HopPool, Lease } from '../upstream/pool.ts';
import { RecipientLimits } from '../upstream/recipient-limits.ts';
import { isStaleHop } from '../upstream/stale-hop.ts';
import type { Target } from '../upstream/target.ts';
import type { Transaction } from '../upstream/transaction.ts';
import { isHopFailure } from './hop-failure.ts';
import { waitingRecipients, type SpooledMessage, type SpooledRecipient } from './spooled-message.ts';

/** What all attempts have in common. */
export interface AttemptSurroundings {
  readonly pool: HopPool;
  readonly requireTls: RequireTlsRule;
  /** The table of what people are told about a failure. */
  readonly replyTo: (failure: Failure) => Reply;
}

export interface AttemptOrder {
  readonly message: SpooledMessage;
  /** In order of preference. */
  readonly targets: readonly Target[];
  readonly content: () => AsyncIterable<Buffer>;
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
}

export async function attempt(around: AttemptSurroundings, order: AttemptOrder): Promise<Attempt> {
  return tryOnce(around, order, false);
}

async function tryOnce(around: AttemptSurroundings, order: AttemptOrder, isFresh: boolean): Promise<Attempt> {
  const { targets, message, signal } = order;
  const notes = new Notes(around, waitingRecipients(message));
  try {
    const extension = neededExtension(message.sender, around.requireTls);
    const lease = await around.pool.lease({ targets, extension, isFresh, signal });
    try {
      await new Sending(around, order, notes, lease).run();
    } catch (error) {
      if (!isFresh && lease.isReused && isStaleHop(error)) return await tryOnce(around, order, true);
      throw error;
    } finally {
      void around.pool.giveBack(lease);
    }
  } catch (error) {
    notes.end(error);
  }
  return notes;
}

/** What is learnt, as it is learnt. */
class Notes implements Attempt {
  readonly words = new Map<SpooledRecipient, Word>();
  failure: Failure | undefined;
  hid: string | undefined;
  isReporting = false;
  readonly #replyTo: (failure: Failure) => Reply;
  /** Those whom a failure of the whole would hit. */
  #concerned: readonly SpooledRecipient[];

  constructor({ replyTo }: AttemptSurroundings, waiting: readonly SpooledRecipient[]) {
    this.#replyTo = replyTo;
    this.#concerned = waiting;
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
  readonly #rule: RequireTlsRule;
  readonly #notes: Notes;
  readonly #lease: Lease;

  constructor({ requireTls }: AttemptSurroundings, order: AttemptOrder, notes: Notes, lease: Lease) {
    this.#order = order;
    this.#rule = requireTls;
    this.#notes = notes;
    this.#lease = lease;
    notes.hid = lease.hid;
    notes.isReporting = lease.hop.capabilities.has('DSN');
  }

  /** @throws {RelayError} what ended the transaction */
  async run(): Promise<void> {
    const { message, content } = this.#order;
    const { hop } = this.#lease;
    const sender = withoutDsn(message.sender, hop.capabilities);
    const command = mailCommand(sender, hop.capabilities, this.#rule);
    const transaction = hop.mail(command, contentRule(sender, hop.capabilities));
    const accepted = await this.#recipients(transaction);
    this.#notes.concern(accepted);
    if (accepted.length === 0) return;
    const body = await transaction.data();
    let octets = 0;
    for await (const piece of content()) {
      octets += piece.length;
      await body.write([piece]);
    }
    if (octets !== message.octets) throw new RelayError({ kind: 'spool', reason: 'incomplete' });
    this.#notes.delivered(await body.end());
  }

  /** @returns those that the upstream takes */
  async #recipients(transaction: Transaction): Promise<readonly SpooledRecipient[]> {
    const limits = new RecipientLimits();
    const asked = waitingRecipients(this.#order.message).filter(({ argument }) =>
      limits.admit(argument.path, this.#lease.hop.capabilities.limits),
    );
    const answers = await Promise.allSettled(asked.map(async (one) => this.#recipient(transaction, one)));
    const open = asked.filter((one) => !this.#notes.words.has(one));
    this.#notes.concern(open);
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
    return open;
  }

  async #recipient(transaction: Transaction, recipient: SpooledRecipient): Promise<void> {
    const { capabilities } = this.#lease.hop;
    try {
      const reply = await transaction.rcpt(
        rcptCommand(withoutDsn(recipient.argument, capabilities), capabilities),
      );
      if (!isMailAccepted(reply)) this.#notes.failed(recipient, { kind: 'refused', phase: 'rcpt', reply });
    } catch (error) {
      if (!(error instanceof RelayError) || error.failure.kind !== 'unknown-parameter') throw error;
      this.#notes.failed(recipient, error.failure);
    }
  }
}

const DSN_KEYWORDS: readonly Parameter['keyword'][] = ['RET', 'ENVID', 'NOTIFY', 'ORCPT'];

/** RFC 3461 §5.2.2: an upstream without DSN gets the message without it, and we report that it was passed on. */
function withoutDsn(argument: PathArgument, capabilities: Capabilities): PathArgument {
  if (capabilities.has('DSN')) return argument;
  const parameters = argument.parameters.filter(({ keyword }) => !DSN_KEYWORDS.includes(keyword));
  return { ...argument, parameters };
}

/** Whether an attempt had no hop to be made on. */
export function hadNoHop({ failure, hid }: Attempt): boolean {
  return hid === undefined && failure !== undefined && isHopFailure(failure);
}
