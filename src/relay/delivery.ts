/**
 * The upstream transaction of a client's message.
 *
 * Guarantees: a success is returned only when the upstream gave it; after a failure the rest of the transaction gets
 * the same answer and nothing more goes up; the hop is given back exactly once.
 * Does not: check the order of commands (session.ts), or touch the content (transfer.ts).
 */
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { isMailAccepted, ownReply, replyText, type Reply } from '../protocol/reply.ts';
import type { Body } from '../upstream/body.ts';
import { contentRule, mailCommand, neededExtension, rcptCommand } from '../upstream/parameters.ts';
import type { Lease, Wanted } from '../upstream/pool.ts';
import { RecipientLimits } from '../upstream/recipient-limits.ts';
import { isStaleHop } from '../upstream/stale-hop.ts';
import type { RefusalHint } from '../upstream/target.ts';
import type { Transaction } from '../upstream/transaction.ts';
import type { Delivering } from './delivering.ts';
import { failureReply, INTERNAL_ERROR, mirrored } from './failure-reply.ts';
import { hintFor, withHint } from './refusal-hint.ts';
import { refuse, type Answer, type TransactionIds } from './refuse.ts';
import type { RelayContext } from './relay-context.ts';
import type { Route } from './routes.ts';

/** One transaction: its session, its id, what MAIL says, and where it goes. */
export interface DeliveryOrder {
  readonly sid: string;
  readonly tid: string;
  /** Of MAIL, as it goes up. */
  readonly argument: PathArgument;
  readonly route: Route;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

export class Delivery implements Delivering {
  readonly #context: RelayContext;
  readonly #order: DeliveryOrder;
  readonly #began = performance.now();
  #lease: Lease;
  #transaction: Transaction;
  /** The replacement of a kept hop that had died; one at most. */
  #renewal: Promise<void> | undefined;
  #recipients = 0;
  readonly #limits = new RecipientLimits();
  /** Set once: the answer to whatever is still asked of this transaction. */
  #outcome: Answer | undefined;
  #isGivenBack = false;

  private constructor(context: RelayContext, order: DeliveryOrder, lease: Lease) {
    this.#context = context;
    this.#order = order;
    this.#lease = lease;
    this.#transaction = begunOn(lease, order, context);
    context.log.emit('transaction.started', this.ids);
  }

  /**
   * Leases a secured hop and checks that MAIL can go up on it; MAIL leaves with the first RCPT.
   *
   * @throws {RelayError} when no hop can be secured, or the upstream cannot take what MAIL asks for
   */
  static async begin(context: RelayContext, order: DeliveryOrder): Promise<Delivery> {
    const lease = await context.pool.lease(wantedFor(context, order));
    try {
      return new Delivery(context, order, lease);
    } catch (error) {
      void context.pool.giveBack(lease);
      throw error;
    }
  }

  get ids(): TransactionIds & { readonly hid: string } {
    const { sid, tid } = this.#order;
    return { sid, tid, hid: this.#lease.hid };
  }

  get hasRecipient(): boolean {
    return this.#recipients > 0;
  }

  get maxOctets(): number {
    const { maxOctets } = this.#context;
    return Math.min(maxOctets, this.#lease.hop.capabilities.maxMessageOctets ?? maxOctets);
  }

  /** Sends it up. @returns the upstream's reply, or that of the failure that ended the transaction */
  async rcpt(argument: PathArgument): Promise<Answer> {
    if (this.#outcome !== undefined) return this.#outcome;
    const { limits } = this.#lease.hop.capabilities;
    const refusal = this.#unknownParameter(argument);
    if (refusal !== undefined) return refusal;
    if (!this.#limits.admit(argument.path, limits)) return refusedRecipient(TOO_MANY_RECIPIENTS);
    try {
      const reply = await this.#sendRcpt(argument);
      if (isMailAccepted(reply)) {
        this.#recipients += 1;
        return { reply: mirrored(reply) };
      }
      this.#context.log.emit('recipient.refused', { ...this.ids, reply: replyText(reply) });
      return refusedRecipient(reply, this.#lease.target.hints);
    } catch (error) {
      return this.fail(error);
    }
  }

  /** A parameter that the upstream does not know costs the client this recipient only. */
  #unknownParameter(argument: PathArgument): Answer | undefined {
    try {
      rcptCommand(argument, this.#lease.hop.capabilities);
      return undefined;
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const { failure } = error;
      return { reply: failureReply(failure, this.#context.onTlsFailure), failure };
    }
  }

  async data(): Promise<Body | Answer> {
    if (this.#outcome !== undefined) return this.#outcome;
    try {
      return await this.#transaction.data();
    } catch (error) {
      return this.fail(error);
    }
  }

  delivered(reply: Reply, octets: number): Reply {
    this.#outcome = { reply: mirrored(reply) };
    const delivered = { reply: replyText(reply), recipients: this.#recipients, octets, ms: this.#ms };
    this.#context.log.emit('transaction.delivered', { ...this.ids, ...delivered });
    void this.#giveBack();
    return this.#outcome.reply;
  }

  async abandon(octets?: number): Promise<void> {
    if (this.#outcome !== undefined) return;
    this.#outcome = { reply: INTERNAL_ERROR }; // nobody is there to hear it
    if (octets !== undefined)
      this.#context.log.emit('transaction.abandoned', { ...this.ids, octets, ms: this.#ms });
    await this.#giveBack();
  }

  fail(error: unknown, octets?: number): Answer {
    if (this.#outcome !== undefined) return this.#outcome;
    const { ids } = this;
    const { argument, route } = this.#order;
    const { hints } = this.#lease.target;
    const refused = { ids, argument, route, hints, octets, ms: this.#ms };
    this.#outcome = refuse(error, refused, this.#context);
    void this.#giveBack(error instanceof RelayError ? error.failure : undefined);
    return this.#outcome;
  }

  get #ms(): number {
    return Math.round(performance.now() - this.#began);
  }

  /**
   * A kept hop may have died unnoticed: as long as the upstream has answered nothing, the envelope goes to a new one,
   * once. Of several recipients that are under way the first to notice renews the lease, and the others follow.
   *
   * Runs up to the sending without a pause, so that what is asked for in one go leaves in one flight.
   */
  async #sendRcpt(argument: PathArgument): Promise<Reply> {
    if (this.#transaction.isUnsent && !this.#lease.hop.isReady) this.#renewal ??= this.#renewLease();
    if (this.#renewal !== undefined) await this.#renewal;
    const { isReused } = this.#lease;
    try {
      return await this.#transaction.rcpt(rcptCommand(argument, this.#lease.hop.capabilities));
    } catch (error) {
      if (!isReused || !isStaleHop(error)) throw error;
      this.#renewal ??= this.#renewLease();
      await this.#renewal;
      return this.#transaction.rcpt(rcptCommand(argument, this.#lease.hop.capabilities));
    }
  }

  async #renewLease(): Promise<void> {
    const { pool } = this.#context;
    this.#lease.hop.destroy(); // it is dead, and makes room for the other
    await pool.giveBack(this.#lease);
    const fresh = await pool.lease({ ...wantedFor(this.#context, this.#order), isFresh: true });
    if (this.#isGivenBack) {
      void pool.giveBack(fresh); // given up meanwhile: nobody else would give it back
      throw new RelayError({ kind: 'lost', phase: 'mail', reason: 'abandoned' });
    }
    this.#lease = fresh;
    this.#transaction = begunOn(fresh, this.#order, this.#context);
  }

  async #giveBack(failure?: Failure): Promise<void> {
    if (this.#isGivenBack) return;
    this.#isGivenBack = true;
    await this.#context.pool.giveBack(this.#lease, failure);
  }
}

const TOO_MANY_RECIPIENTS = ownReply(
  [452, '4.5.3'],
  'The upstream takes no more such recipients in one message; send it to this one next.',
);

function wantedFor({ requireTls }: RelayContext, { route, argument, signal }: DeliveryOrder): Wanted {
  return { targets: route.targets, extension: neededExtension(argument, requireTls), signal };
}

/** @throws {RelayError} what MAIL asks for and the upstream lacks */
function begunOn({ hop }: Lease, { argument }: DeliveryOrder, { requireTls }: RelayContext): Transaction {
  return hop.mail(
    mailCommand(argument, hop.capabilities, requireTls),
    contentRule(argument, hop.capabilities),
  );
}

/** The transaction goes on with the other recipients. */
function refusedRecipient(reply: Reply, hints?: readonly RefusalHint[]): Answer {
  const told = withHint(mirrored(reply), hintFor({ reply, phase: 'rcpt' }, hints));
  return { reply: told, failure: { kind: 'refused', phase: 'rcpt', reply } };
}
