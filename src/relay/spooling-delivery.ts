/**
 * A delivery that the spool stands behind: what an upstream does not take now, and may take later, is kept.
 *
 * Guarantees: the client hears that a message was kept only when it is safe in the spool; what the upstream refuses for
 * good, or what cannot be secured, its client hears of at once, and nothing of it is kept.
 */
import type { Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { isMailAccepted, ownReply, replyText, type Reply } from '../protocol/reply.ts';
import type { Draft } from '../spool/draft.ts';
import type { Spool, Undelivered } from '../spool/spool.ts';
import type { Body } from '../upstream/body.ts';
import type { Delivering } from './delivering.ts';
import { Delivery, type DeliveryOrder } from './delivery.ts';
import { FallbackBody } from './fallback-body.ts';
import { refuse, type Answer, type TransactionIds } from './refuse.ts';
import type { RelayContext } from './relay-context.ts';
import { isTransient, transientFailure } from './transient-failure.ts';

const RECIPIENT_WAITS = ownReply([250, '2.1.5'], 'Recipient ok, the message is kept for it');

export class SpoolingDelivery implements Delivering {
  readonly #context: RelayContext;
  readonly #spool: Spool;
  readonly #order: DeliveryOrder;
  readonly #began = performance.now();
  /** Undefined where there is none, or it has failed. */
  #upstream: Delivery | undefined;
  /** Why there is none. */
  #failure: Failure | undefined;
  /** Whom the upstream has accepted. */
  readonly #accepted: PathArgument[] = [];
  /** Whom it may accept later. */
  readonly #waiting: Undelivered[] = [];
  #draft: Draft | undefined;
  /** What the upstream said to the message. */
  #verdict: Reply | undefined;
  #isOver = false;

  private constructor(context: RelayContext, spool: Spool, order: DeliveryOrder) {
    this.#context = context;
    this.#spool = spool;
    this.#order = order;
  }

  /** @throws {RelayError} when there is no hop, for a reason that does not pass by itself */
  static async begin(context: RelayContext, spool: Spool, order: DeliveryOrder): Promise<SpoolingDelivery> {
    const delivery = new SpoolingDelivery(context, spool, order);
    try {
      delivery.#upstream = await Delivery.begin(context, order);
    } catch (error) {
      delivery.#failure = transientFailure(error);
    }
    return delivery;
  }

  get ids(): TransactionIds {
    const { sid, tid } = this.#order;
    return { sid, tid, hid: this.#upstream?.ids.hid };
  }

  tend(now: number): void {
    this.#upstream?.tend(now);
  }

  get hasRecipient(): boolean {
    return this.#accepted.length + this.#waiting.length > 0;
  }

  get maxOctets(): number {
    return this.#upstream?.maxOctets ?? this.#context.maxOctets;
  }

  async rcpt(argument: PathArgument): Promise<Answer> {
    const answer = await this.#upstream?.rcpt(argument);
    const failure = answer === undefined ? this.#failure : answer.failure;
    if (failure !== undefined && isTransient(failure)) {
      this.#waiting.push({ argument, failure });
      return { reply: RECIPIENT_WAITS };
    }
    if (answer === undefined) throw new TypeError('there is no upstream, and no reason why');
    if (isMailAccepted(answer.reply)) this.#accepted.push(argument);
    return answer;
  }

  async data(): Promise<Body | Answer> {
    const begun = await this.#begunUpstream();
    if (begun !== undefined && 'reply' in begun) return begun;
    this.#draft = this.#spool.draft();
    return new FallbackBody(this.#draft, begun, {
      failed: (error) => this.#failed(error),
      ended: async (verdict) => this.#ended(verdict),
    });
  }

  delivered(reply: Reply, octets: number): Reply {
    this.#isOver = true;
    const told = this.#upstream?.delivered(this.#verdict ?? reply, octets) ?? reply;
    const [first] = this.#waiting;
    if (first === undefined) return told;
    const { kind: failure } = first.failure;
    const recipients = this.#waiting.length;
    const { sid, tid, source } = this.#order;
    const kept = { failure, recipients, octets, ms: this.#ms };
    this.#context.log.emit('message.spooled', { sid, tid, ...source, ...kept });
    return reply;
  }

  fail(error: unknown, octets?: number): Answer {
    this.#isOver = true;
    this.#draft?.discard();
    if (this.#upstream !== undefined) return this.#upstream.fail(error, octets);
    const { argument, route, source } = this.#order;
    const refused = { ids: this.ids, source, argument, route, octets, ms: this.#ms };
    return refuse(error, refused, this.#context);
  }

  async abandon(octets?: number): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#draft?.discard();
    if (this.#upstream !== undefined) return this.#upstream.abandon(octets);
    const { source } = this.#order;
    if (octets !== undefined)
      this.#context.log.emit('transaction.abandoned', { ...this.ids, ...source, octets, ms: this.#ms });
  }

  /** Content goes up where the upstream has accepted somebody. @returns undefined when it is for the draft alone */
  async #begunUpstream(): Promise<Body | Answer | undefined> {
    const upstream = this.#upstream;
    if (upstream === undefined) return undefined;
    if (this.#accepted.length === 0) {
      this.#upstream = undefined;
      void upstream.abandon();
      return undefined;
    }
    const begun = await upstream.data();
    if (!('reply' in begun) || begun.failure === undefined || !isTransient(begun.failure)) return begun;
    this.#lose(begun.failure);
    return undefined;
  }

  /** @throws the error, where it does not pass by itself */
  #failed(error: unknown): void {
    const failure = transientFailure(error);
    this.#upstream?.fail(error);
    this.#lose(failure);
  }

  /** All recipients wait from now on. */
  #lose(failure: Failure): void {
    this.#upstream = undefined;
    this.#waiting.push(...this.#accepted.splice(0).map((argument) => ({ argument, failure })));
  }

  /** @throws {RelayError} spool */
  async #ended(verdict: Reply | undefined): Promise<Reply> {
    const [first] = this.#waiting;
    this.#verdict = verdict;
    if (this.#draft === undefined) throw new TypeError('the content ended before it began');
    if (first === undefined && verdict !== undefined) {
      this.#draft.discard();
      return verdict;
    }
    await this.#keep(this.#draft);
    return ownReply([250, '2.0.0'], keptSentence(this.#order.tid, verdict));
  }

  /** @throws {RelayError} spool */
  async #keep(draft: Draft): Promise<void> {
    const { sid, tid, argument: sender, route } = this.#order;
    const recipients = this.#waiting;
    try {
      await this.#spool.keep(draft, { id: tid, route: route.name, sender, recipients });
    } catch (error) {
      // The client hears of the spool; why the upstream did not take the message is told here and nowhere else.
      const failures = new Set(recipients.map(({ failure }) => failure.kind));
      this.#context.log.emit('message.unspooled', { sid, tid, failure: [...failures].join(' ') });
      throw error;
    }
  }

  get #ms(): number {
    return Math.round(performance.now() - this.#began);
  }
}

function keptSentence(id: string, verdict: Reply | undefined): string {
  if (verdict === undefined) return `Kept in the spool as ${id}; it goes on when the upstream takes it.`;
  return `Kept in the spool as ${id} for those whom the upstream does not take yet; for the others it said: ${replyText(verdict)}`;
}
