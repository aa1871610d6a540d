/**
 * The upstream transaction of a client's message.
 *
 * Guarantees: a success is returned only when the upstream gave it; after a failure the rest of the transaction gets
 * the same answer and nothing more goes up; the hop is given back exactly once.
 * Does not: check the order of commands (session.ts), or touch the content (transfer.ts).
 */
import { RelayError } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { isMailAccepted, ownReply, replyText, type Reply } from '../protocol/reply.ts';
import type { Body } from '../upstream/body.ts';
import { Envelope } from '../upstream/envelope.ts';
import { rcptCommand } from '../upstream/parameters.ts';
import { RecipientLimits } from '../upstream/recipient-limits.ts';
import type { RefusalHint } from '../upstream/target.ts';
import type { Delivering } from './delivering.ts';
import { failureReply, INTERNAL_ERROR, mirrored } from './failure-reply.ts';
import { hintFor, withHint } from './refusal-hint.ts';
import { refuse, type Answer, type MessageSource, type TransactionIds } from './refuse.ts';
import type { RelayContext } from './relay-context.ts';
import type { Route } from './routes.ts';
import { TimedBody } from './timed-body.ts';

/** One transaction: its session, its id, what MAIL says, and where it goes. */
export interface DeliveryOrder {
  readonly sid: string;
  readonly tid: string;
  readonly source: MessageSource;
  /** Of MAIL, as it goes up. */
  readonly argument: PathArgument;
  readonly route: Route;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

/** A client that says MAIL and then nothing keeps a hop from the others no longer than this. */
const SILENT_MS = 5_000;

export class Delivery implements Delivering {
  readonly #context: RelayContext;
  readonly #order: DeliveryOrder;
  readonly #began = performance.now();
  readonly #envelope: Envelope;
  readonly #waitMs: number;
  #recipients = 0;
  readonly #limits = new RecipientLimits();
  /** Set once: the answer to whatever is still asked of this transaction. */
  #outcome: Answer | undefined;
  #body: TimedBody | undefined;

  /** @param askedAt for a hop, performance.now() */
  private constructor(context: RelayContext, order: DeliveryOrder, envelope: Envelope, askedAt: number) {
    this.#context = context;
    this.#order = order;
    this.#envelope = envelope;
    this.#waitMs = Math.round(this.#began - askedAt);
    context.log.emit('transaction.started', this.ids);
  }

  /**
   * Leases a secured hop and checks that MAIL can go up on it; MAIL leaves with the first RCPT.
   *
   * @throws {RelayError} when no hop can be secured, or the upstream cannot take what MAIL asks for
   */
  static async begin(context: RelayContext, order: DeliveryOrder): Promise<Delivery> {
    const { pool, log, requireTls } = context;
    const { targets } = order.route;
    const askedAt = performance.now();
    const envelope = await Envelope.begin(pool, log, { ...order, targets, requireTls });
    return new Delivery(context, order, envelope, askedAt);
  }

  get ids(): TransactionIds & { readonly hid: string } {
    const { sid, tid } = this.#order;
    return { sid, tid, hid: this.#envelope.lease.hid };
  }

  get hasRecipient(): boolean {
    return this.#recipients > 0;
  }

  get maxOctets(): number {
    const { maxOctets } = this.#context;
    return Math.min(maxOctets, this.#envelope.lease.hop.capabilities.maxMessageOctets ?? maxOctets);
  }

  tend(now: number): void {
    if (now - this.#began > SILENT_MS) this.#envelope.lend();
  }

  /** Sends it up. @returns the upstream's reply, or that of the failure that ended the transaction */
  async rcpt(argument: PathArgument): Promise<Answer> {
    if (this.#outcome !== undefined) return this.#outcome;
    const { limits } = this.#envelope.lease.hop.capabilities;
    const refusal = this.#unknownParameter(argument);
    if (refusal !== undefined) return refusal;
    if (!this.#limits.admit(argument.path, limits)) return refusedRecipient(TOO_MANY_RECIPIENTS);
    try {
      const reply = await this.#envelope.rcpt(argument);
      if (isMailAccepted(reply)) {
        this.#recipients += 1;
        return { reply: mirrored(reply) };
      }
      const whose = { ...this.ids, ...this.#order.source };
      this.#context.log.emit('recipient.refused', { ...whose, reply: replyText(reply) });
      return refusedRecipient(reply, this.#envelope.lease.target.hints);
    } catch (error) {
      return this.fail(error);
    }
  }

  /** A parameter that the upstream does not know costs the client this recipient only. */
  #unknownParameter(argument: PathArgument): Answer | undefined {
    try {
      rcptCommand(argument, this.#envelope.lease.hop.capabilities);
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
      this.#body = new TimedBody(await this.#envelope.data());
      return this.#body;
    } catch (error) {
      return this.fail(error);
    }
  }

  delivered(reply: Reply, octets: number): Reply {
    this.#outcome = { reply: mirrored(reply) };
    this.#context.log.emit('transaction.delivered', {
      ...this.ids,
      ...this.#order.source,
      reply: replyText(reply),
      recipients: this.#recipients,
      octets,
      waitMs: this.#waitMs,
      ...(this.#body?.times ?? { contentMs: 0, verdictMs: 0 }),
      ms: this.#ms,
    });
    void this.#envelope.giveBack();
    return this.#outcome.reply;
  }

  async abandon(octets?: number): Promise<void> {
    if (this.#outcome !== undefined) return;
    this.#outcome = { reply: INTERNAL_ERROR }; // nobody is there to hear it
    const { source } = this.#order;
    if (octets !== undefined)
      this.#context.log.emit('transaction.abandoned', { ...this.ids, ...source, octets, ms: this.#ms });
    await this.#envelope.giveBack();
  }

  fail(error: unknown, octets?: number): Answer {
    if (this.#outcome !== undefined) return this.#outcome;
    const { ids } = this;
    const { argument, route, source } = this.#order;
    const { hints } = this.#envelope.lease.target;
    const refused = { ids, source, argument, route, hints, octets, ms: this.#ms };
    this.#outcome = refuse(error, refused, this.#context);
    void this.#envelope.giveBack(error instanceof RelayError ? error.failure : undefined);
    return this.#outcome;
  }

  get #ms(): number {
    return Math.round(performance.now() - this.#began);
  }
}

const TOO_MANY_RECIPIENTS = ownReply(
  [452, '4.5.3'],
  'The upstream takes no more such recipients in one message; send it to this one next.',
);

/** The transaction goes on with the other recipients. */
function refusedRecipient(reply: Reply, hints?: readonly RefusalHint[]): Answer {
  const told = withHint(mirrored(reply), hintFor({ reply, phase: 'rcpt' }, hints));
  return { reply: told, failure: { kind: 'refused', phase: 'rcpt', reply } };
}
