/**
 * A delivery that the spool stands behind: what an upstream does not take now, and may take later, is kept.
 *
 * Guarantees: the client hears that a message was kept only when it is safe in the spool; what the upstream refuses for
 * good, or what cannot be secured, its client hears of at once, and nothing of it is kept. A message that goes to some now
 * and is kept for others is safe before its end goes up: a spool that cannot take it costs nobody a duplicate.
 */
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { isMailAccepted, ownReply, replyText, type Reply } from '../protocol/reply.ts';
import type { Draft } from '../spool/draft.ts';
import type { HeldMessage } from '../spool/held-message.ts';
import { inDoubt } from '../spool/spool-error.ts';
import type { NewMessage, Spool, Undelivered } from '../spool/spool.ts';
import type { Body } from '../upstream/body.ts';
import { declaredOctets } from '../upstream/parameters.ts';
import type { Delivering } from './delivering.ts';
import { Delivery, type DeliveryOrder } from './delivery.ts';
import { failureReply } from './failure-reply.ts';
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
  /** What is safe in the spool until the upstream has said its word. */
  #held: HeldMessage | undefined;
  /** Whether there is room in the spool, once that has been asked. */
  #room: Promise<void> | undefined;
  /** What the upstream said to the message. */
  #verdict: Reply | undefined;
  #isOver = false;

  private constructor(context: RelayContext, spool: Spool, order: DeliveryOrder) {
    this.#context = context;
    this.#spool = spool;
    this.#order = order;
  }

  /** @throws {RelayError} when there is no hop, for a reason that does not pass by itself; spool, when that has no room */
  static async begin(context: RelayContext, spool: Spool, order: DeliveryOrder): Promise<SpoolingDelivery> {
    const delivery = new SpoolingDelivery(context, spool, order);
    try {
      delivery.#upstream = await Delivery.begin(context, order);
    } catch (error) {
      const failure = transientFailure(error);
      await delivery.#expectRoom(failure);
      delivery.#failure = failure;
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
    if (failure !== undefined && isTransient(failure)) return this.#wait({ argument, failure });
    if (answer === undefined) throw new TypeError('there is no upstream, and no reason why');
    if (isMailAccepted(answer.reply)) this.#accepted.push(argument);
    return answer;
  }

  /** Who can only be kept hears at once that there is no room: others may still be delivered to. */
  async #wait(waiting: Undelivered): Promise<Answer> {
    try {
      await this.#expectRoom(waiting.failure);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const { failure } = error;
      return { reply: failureReply(failure, this.#context.onTlsFailure), failure };
    }
    this.#waiting.push(waiting);
    return { reply: RECIPIENT_WAITS };
  }

  async data(): Promise<Body | Answer> {
    const begun = await this.#begunUpstream();
    if (begun !== undefined && 'reply' in begun) return begun;
    this.#draft = this.#spool.draft();
    return new FallbackBody(this.#draft, begun, {
      failed: async (error) => this.#failed(error),
      ending: async () => this.#ending(),
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
    try {
      await this.#expectRoom(begun.failure);
      return undefined;
    } catch (error) {
      return this.fail(error);
    }
  }

  /** @throws the error, where it does not pass by itself; then nothing is kept */
  async #failed(error: unknown): Promise<void> {
    const isFinal = !(error instanceof RelayError) || !isTransient(error.failure);
    if (isFinal) await this.#held?.drop();
    const failure = transientFailure(error);
    this.#upstream?.fail(error);
    this.#lose(failure);
  }

  /** Those whom the upstream takes get the message only when it is safe for those who wait. @throws {RelayError} spool */
  async #ending(): Promise<void> {
    const draft = this.#draft;
    if (this.#waiting.length === 0 || draft === undefined) return;
    this.#held = await this.#kept(async () => this.#spool.hold(draft, this.#message));
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
    await this.#keep(this.#draft, verdict);
    return ownReply([250, '2.0.0'], keptSentence(this.#order.tid, verdict));
  }

  /** @throws {RelayError} spool */
  async #keep(draft: Draft, verdict: Reply | undefined): Promise<void> {
    const held = this.#held;
    if (held === undefined) return this.#kept(async () => this.#spool.keep(draft, this.#message));
    if (verdict !== undefined) return held.release();
    return this.#kept(async () => this.#spool.keepHeld(held, draft.octets, this.#message));
  }

  get #message(): NewMessage {
    const { tid, argument: sender, route } = this.#order;
    return { id: tid, route: route.name, sender, recipients: this.#waiting };
  }

  async #kept<T>(keep: () => Promise<T>): Promise<T> {
    return this.#orTold(
      keep,
      this.#waiting.map(({ failure }) => failure),
    );
  }

  /** Asked once. @throws {RelayError} spool */
  async #expectRoom(failure: Failure): Promise<void> {
    const octets = declaredOctets(this.#order.argument) ?? 0;
    this.#room ??= this.#orTold(async () => this.#spool.expectRoom(octets), [failure]);
    return this.#room;
  }

  /** The client hears of the spool; why the upstream did not take the message is told here and nowhere else. */
  async #orTold<T>(keep: () => Promise<T>, failures: readonly Failure[]): Promise<T> {
    try {
      return await keep();
    } catch (error) {
      const { sid, tid } = this.#order;
      const kinds = new Set(failures.map(({ kind }) => kind));
      const reason =
        error instanceof RelayError && 'reason' in error.failure ? error.failure.reason : 'unknown';
      this.#context.log.emit('message.unspooled', { sid, tid, failure: [...kinds].join(' '), reason });
      throw kinds.has('outcome-unknown') ? inDoubt(error) : error;
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
