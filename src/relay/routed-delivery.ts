/**
 * One client transaction, and the upstream that its route leads to: known at MAIL, or with the first recipient where
 * recipients decide. The hop is secured then.
 *
 * Guarantees: all recipients of one message go to one upstream, and those that need another are told to come next;
 * where one upstream cannot be had, or has accepted none, recipients of another may still be the first.
 */
import { newId } from '../log/id.ts';
import { RelayError } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { ownReply, replyText, type Reply } from '../protocol/reply.ts';
import type { Delivering } from './delivering.ts';
import { Delivery, type DeliveryOrder } from './delivery.ts';
import { INTERNAL_ERROR } from './failure-reply.ts';
import { hintsOf } from './refusal-hint.ts';
import { refuse, type Answer, type MessageSource } from './refuse.ts';
import type { RelayContext } from './relay-context.ts';
import { isRefusal, type RecipientRoutes, type Route, type RouteRefusal } from './routes.ts';
import { SpoolingDelivery } from './spooling-delivery.ts';
import type { Arrival } from './trace-header.ts';
import { Transfer } from './transfer.ts';

const SECURED = ownReply([250, '2.1.0'], 'Sender ok, the hop to the upstream is secured');
const KEPT_IF_NEED_BE = ownReply([250, '2.1.0'], 'Sender ok, the message is kept until there is an upstream');
const RECIPIENT_DECIDES = ownReply([250, '2.1.0'], 'Sender ok, the recipient decides which upstream it is');
const OTHER_UPSTREAM = ownReply(
  [452, '4.5.3'],
  'This recipient needs another upstream than those before; send the message to it next.',
);

/** What MAIL says, and who is to know of its end. */
export interface Beginning {
  readonly sid: string;
  readonly source: MessageSource;
  /** As it goes up. */
  readonly argument: PathArgument;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

export class RoutedDelivery {
  readonly tid = newId();
  readonly #context: RelayContext;
  readonly #beginning: Beginning;
  readonly #routes: RecipientRoutes;
  /** What became of each route that was asked for, in that order: one delivery at most, and refusals. */
  readonly #openings = new Map<Route, Promise<Delivering | Reply>>();
  /** Answers to recipients of the delivery, kept where another route may want to know them. */
  readonly #asked: Promise<Answer>[] = [];
  #served: { readonly route: Route; readonly delivery: Delivering } | undefined;

  constructor(context: RelayContext, routes: RecipientRoutes, beginning: Beginning) {
    this.#context = context;
    this.#routes = routes;
    this.#beginning = beginning;
  }

  /** MAIL: secures the hop where no recipient can change the route. @returns 250 or the refusal */
  async begin(): Promise<Reply> {
    const { common } = this.#routes;
    if (common === undefined) return RECIPIENT_DECIDES;
    if (isRefusal(common))
      return this.#refuse(new RelayError({ kind: 'policy', subject: 'sender', reason: common.sentence }));
    const opened = await this.#openingOf(common);
    if (isReply(opened)) return opened;
    this.#served = { route: common, delivery: opened };
    return opened.ids.hid === undefined ? KEPT_IF_NEED_BE : SECURED;
  }

  tend(now: number): void {
    this.#served?.delivery.tend(now);
  }

  get hasRecipient(): boolean {
    return this.#served?.delivery.hasRecipient === true;
  }

  /** Runs to the delivery without a pause where there is one, so that what is pipelined leaves in one flight. */
  async rcpt(argument: PathArgument): Promise<Reply> {
    const verdict = this.#routes.forRecipient(argument.path.slice(1, -1));
    if (isRefusal(verdict)) return this.#refuseRecipient(verdict);
    if (this.#served?.route === verdict) return this.#ask(this.#served.delivery, argument);
    const opened = await this.#openingOf(verdict);
    if (isReply(opened)) return opened;
    this.#served = { route: verdict, delivery: opened };
    return this.#ask(opened, argument);
  }

  async #ask(delivery: Delivering, argument: PathArgument): Promise<Reply> {
    const answer = delivery.rcpt(argument);
    if (this.#routes.common === undefined) this.#asked.push(answer);
    const { reply } = await answer;
    return reply;
  }

  /** @returns what takes the content, or the refusal */
  async data(arrival: Arrival): Promise<Transfer | Reply> {
    return this.#served === undefined
      ? INTERNAL_ERROR
      : Transfer.begin(this.#context, this.#served.delivery, arrival);
  }

  /** The client gave the transaction up. @param octets of content that came; undefined where none could */
  async abandon(octets?: number): Promise<void> {
    for (const opening of this.#openings.values()) {
      const opened = await opening;
      if (!isReply(opened)) await opened.abandon(octets);
    }
  }

  /** The same promise for all that ask for a route, so that they go on in the order in which they came. */
  #openingOf(route: Route): Promise<Delivering | Reply> {
    const known = this.#openings.get(route);
    if (known !== undefined) return known;
    const opening = this.#openAfter([...this.#openings.values()], route);
    this.#openings.set(route, opening);
    return opening;
  }

  /** @param before the openings of other routes; what the last of them comes to is known when the others are */
  async #openAfter(
    before: readonly Promise<Delivering | Reply>[],
    route: Route,
  ): Promise<Delivering | Reply> {
    for (const other of before.toReversed()) {
      const opened = await other;
      if (!isReply(opened) && !(await this.#isGivenUp(opened))) return OTHER_UPSTREAM;
    }
    try {
      return await this.#begin({ ...this.#beginning, tid: this.tid, route });
    } catch (error) {
      return this.#refuse(error, route);
    }
  }

  async #begin(order: DeliveryOrder): Promise<Delivering> {
    const { spool } = this.#context;
    return spool === undefined
      ? Delivery.begin(this.#context, order)
      : SpoolingDelivery.begin(this.#context, spool, order);
  }

  /** Gives a delivery up if all its recipients have been refused: else one of them could keep the message from others. */
  async #isGivenUp(delivery: Delivering): Promise<boolean> {
    while (this.#asked.length > 0 && !delivery.hasRecipient) await Promise.all(this.#asked.splice(0));
    if (delivery.hasRecipient) return false;
    if (this.#served?.delivery === delivery) {
      this.#openings.delete(this.#served.route);
      this.#served = undefined;
    }
    await delivery.abandon();
    return true;
  }

  /** The reply when no delivery could begin. */
  #refuse(error: unknown, route?: Route): Reply {
    const { argument, source } = this.#beginning;
    const hints = hintsOf(route?.targets ?? []);
    const refused = { ids: this.#ids, source, argument, route, hints, ms: 0 };
    return refuse(error, refused, this.#context).reply;
  }

  #refuseRecipient({ sentence }: RouteRefusal): Reply {
    const reply = ownReply([550, '5.7.1'], sentence);
    const whose = { ...this.#ids, ...this.#beginning.source };
    this.#context.log.emit('recipient.refused', { ...whose, reply: replyText(reply) });
    return reply;
  }

  get #ids(): { readonly sid: string; readonly tid: string; readonly hid: undefined } {
    return { sid: this.#beginning.sid, tid: this.tid, hid: undefined };
  }
}

function isReply(opened: Delivering | Reply): opened is Reply {
  return 'code' in opened;
}
