/**
 * One client transaction on one upstream transaction.
 *
 * Guarantees: a success is returned only when the upstream gave it; after a failure the rest of the transaction gets
 * the same answer and nothing more goes up; the hop is given back exactly once.
 * Does not: check the order of commands (session.ts).
 */
import type { Log } from '../log/log.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { isMailAccepted, ownReply, replyText, type Reply } from '../protocol/reply.ts';
import { mailCommand, neededExtension, rcptCommand, type RequireTlsRule } from '../upstream/parameters.ts';
import type { HopPool, Lease, Wanted } from '../upstream/pool.ts';
import type { Target } from '../upstream/target.ts';
import type { Transaction } from '../upstream/transaction.ts';
import { Content, type LineEndingRule } from './content.ts';
import { failureReply, INTERNAL_ERROR, mirrored, type TlsFailureReply } from './failure-reply.ts';
import type { HeaderBlock } from './header-block.ts';
import { outgoingHeader, type HeaderRules } from './outgoing-header.ts';
import { RecipientLimits } from './recipient-limits.ts';
import { hintFor, withHint } from './refusal-hint.ts';
import type { RouteTable } from './routes.ts';
import type { Arrival } from './trace-header.ts';

/** What all sessions share. */
export interface RelayContext extends HeaderRules {
  readonly pool: HopPool;
  readonly routes: RouteTable;
  readonly log: Log;
  readonly maxOctets: number;
  readonly lineEndings: LineEndingRule;
  readonly onTlsFailure: TlsFailureReply;
  readonly requireTls: RequireTlsRule;
}

/** One transaction: its session, its id, and where it goes. */
export interface DeliveryOrder {
  readonly sid: string;
  readonly tid: string;
  /** In order of preference. */
  readonly targets: readonly Target[];
}

export class Delivery {
  readonly #context: RelayContext;
  readonly #order: DeliveryOrder;
  readonly #argument: PathArgument;
  readonly #signal: AbortSignal;
  readonly #began = performance.now();
  #lease: Lease;
  #transaction: Transaction;
  /** The replacement of a kept hop that had died; one at most. */
  #renewal: Promise<void> | undefined;
  #recipients = 0;
  readonly #limits = new RecipientLimits();
  #content: Content | undefined;
  /** Set once: the answer to whatever is still asked of this transaction. */
  #outcome: Reply | undefined;
  #isGivenBack = false;

  private constructor(
    context: RelayContext,
    order: DeliveryOrder,
    argument: PathArgument,
    lease: Lease,
    signal: AbortSignal,
  ) {
    this.#signal = signal;
    this.#context = context;
    this.#order = order;
    this.#argument = argument;
    this.#lease = lease;
    this.#transaction = lease.hop.mail(mailCommand(argument, lease.hop.capabilities, context.requireTls));
    context.log.emit('transaction.started', this.#ids);
  }

  /**
   * Leases a secured hop and checks that MAIL can go up on it; MAIL leaves with the first RCPT.
   *
   * @param signal aborts when the client is gone
   * @throws {RelayError} when no hop can be secured, or the upstream cannot take what MAIL asks for
   */
  static async begin(
    context: RelayContext,
    order: DeliveryOrder,
    argument: PathArgument,
    signal: AbortSignal,
  ): Promise<Delivery> {
    const lease = await context.pool.lease({ ...wantedFor(context, order, argument), signal });
    try {
      return new Delivery(context, order, argument, lease, signal);
    } catch (error) {
      void context.pool.giveBack(lease);
      throw error;
    }
  }

  get hasRecipient(): boolean {
    return this.#recipients > 0;
  }

  /** Sends a RCPT up and gives the upstream's reply, or that of the failure that ended the transaction. */
  async rcpt(argument: PathArgument): Promise<Reply> {
    if (this.#outcome !== undefined) return this.#outcome;
    const { limits } = this.#lease.hop.capabilities;
    const refusal = this.#unknownParameter(argument);
    if (refusal !== undefined) return refusal;
    if (!this.#limits.admit(argument.path, limits)) return TOO_MANY_RECIPIENTS;
    try {
      const reply = await this.#sendRcpt(argument);
      if (isMailAccepted(reply)) this.#recipients += 1;
      else this.#context.log.emit('recipient.refused', { ...this.#ids, reply: replyText(reply) });
      return withHint(mirrored(reply), hintFor({ reply, phase: 'rcpt' }, this.#lease.target.hints));
    } catch (error) {
      return this.fail(error);
    }
  }

  /** A parameter that the upstream does not know costs the client this recipient only. */
  #unknownParameter(argument: PathArgument): Reply | undefined {
    try {
      rcptCommand(argument, this.#lease.hop.capabilities);
      return undefined;
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      return failureReply(error.failure, this.#context.onTlsFailure);
    }
  }

  /**
   * Begins the content.
   *
   * @returns undefined when content may come, else the refusal
   */
  async data(arrival: Arrival): Promise<Reply | undefined> {
    if (this.#outcome !== undefined) return this.#outcome;
    try {
      const body = await this.#transaction.data();
      const { lineEndings, maxOctets } = this.#context;
      const upstreamMax = this.#lease.hop.capabilities.maxMessageOctets ?? maxOctets;
      this.#content = new Content(body, {
        maxOctets: Math.min(maxOctets, upstreamMax),
        lineEndings,
        prepareHeader: (header) => this.#prepareHeader(header, arrival),
      });
      return undefined;
    } catch (error) {
      return this.fail(error);
    }
  }

  /** @throws {RelayError} policy */
  #prepareHeader(header: HeaderBlock, arrival: Arrival): readonly Buffer[] {
    const { pieces, signature } = outgoingHeader(header, this.#context, arrival, this.#order.tid);
    if (signature === undefined) return pieces;
    const refusal = this.#context.addresses.refusalOfSigned(signature);
    const action = refusal === undefined ? 'passed' : 'refused';
    this.#context.log.emit('message.signed', { ...this.#ids, signature, action });
    if (refusal !== undefined) throw refusal;
    return pieces;
  }

  /** Takes content; never rejects: after a failure the rest is read and dropped, and `end` tells. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    if (this.#outcome !== undefined) return;
    try {
      await this.#content?.write(pieces);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The client ended the message: ends it upstream and gives the verdict. */
  async end(): Promise<Reply> {
    if (this.#outcome !== undefined) return this.#outcome;
    try {
      if (this.#content === undefined) throw new TypeError('no content was begun');
      const reply = await this.#content.end();
      this.#outcome = mirrored(reply);
      const { octets } = this.#content;
      const delivered = { reply: replyText(reply), recipients: this.#recipients, octets, ms: this.#ms };
      this.#context.log.emit('transaction.delivered', { ...this.#ids, ...delivered });
      void this.#giveBack();
      return this.#outcome;
    } catch (error) {
      return this.fail(error);
    }
  }

  /** The client gave the transaction up. An unfinished message is cut off, never ended. */
  async abandon(): Promise<void> {
    if (this.#outcome !== undefined) return;
    this.#outcome = INTERNAL_ERROR; // nobody is there to hear it
    if (this.#content !== undefined) {
      const { octets } = this.#content;
      this.#context.log.emit('transaction.abandoned', { ...this.#ids, octets, ms: this.#ms });
    }
    await this.#giveBack();
  }

  /** Ends the transaction with a failure, and gives the reply for it. */
  fail(error: unknown): Reply {
    if (this.#outcome !== undefined) return this.#outcome;
    const { log, onTlsFailure } = this.#context;
    if (error instanceof RelayError) {
      this.#outcome = failureReply(error.failure, onTlsFailure, this.#lease.target.hints);
      this.#report(error.failure, this.#outcome);
    } else {
      this.#outcome = INTERNAL_ERROR;
      log.emit('internal.error', describeError(error));
    }
    void this.#giveBack();
    return this.#outcome;
  }

  get #ids(): { sid: string; tid: string; hid: string } {
    const { sid, tid } = this.#order;
    return { sid, tid, hid: this.#lease.hid };
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
    const { pool, requireTls } = this.#context;
    this.#lease.hop.destroy(); // it is dead, and makes room for the other
    await pool.giveBack(this.#lease);
    const wanted = wantedFor(this.#context, this.#order, this.#argument);
    const fresh = await pool.lease({ ...wanted, isFresh: true, signal: this.#signal });
    if (this.#isGivenBack) {
      void pool.giveBack(fresh); // given up meanwhile: nobody else would give it back
      throw new RelayError({ kind: 'lost', phase: 'mail', reason: 'abandoned' });
    }
    this.#lease = fresh;
    this.#transaction = fresh.hop.mail(mailCommand(this.#argument, fresh.hop.capabilities, requireTls));
  }

  async #giveBack(): Promise<void> {
    if (this.#isGivenBack) return;
    this.#isGivenBack = true;
    await this.#context.pool.giveBack(this.#lease);
  }

  #report(failure: Failure, reply: Reply): void {
    const { log } = this.#context;
    if (failure.kind === 'outcome-unknown') {
      const octets = this.#content?.octets ?? 0;
      log.emit('transaction.unknown', { ...this.#ids, reason: failure.reason, octets, ms: this.#ms });
      return;
    }
    const phase = 'phase' in failure ? failure.phase : 'none';
    log.emit('transaction.refused', {
      ...this.#ids,
      failure: failure.kind,
      phase,
      reply: replyText(reply),
      ms: this.#ms,
    });
  }
}

const TOO_MANY_RECIPIENTS = ownReply(
  [452, '4.5.3'],
  'The upstream takes no more such recipients in one message; send it to this one next.',
);

function wantedFor({ requireTls }: RelayContext, { targets }: DeliveryOrder, argument: PathArgument): Wanted {
  return { targets, extension: neededExtension(argument, requireTls) };
}

/** What the log says of a mistake of ours. */
export function describeError(error: unknown): { name: string; text: string; stack: string } {
  if (!(error instanceof Error)) return { name: typeof error, text: '', stack: '' };
  return { name: error.name, text: error.message, stack: error.stack ?? '' };
}

/** The connection was gone, or the upstream closed it, before MAIL had an answer. */
function isStaleHop(error: unknown): boolean {
  if (!(error instanceof RelayError)) return false;
  const { failure } = error;
  if (failure.kind === 'lost') return failure.phase === 'mail' && failure.reason !== 'timeout';
  return failure.kind === 'refused' && failure.phase === 'mail' && failure.reply.code === 421;
}
