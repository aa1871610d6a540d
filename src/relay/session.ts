/**
 * One client's session: the order of commands (RFC 5321 §4.1.4), and one delivery at a time.
 *
 * Guarantees: every method gives a reply, whatever happens; the session can be closed at any moment, also while a reply
 * is awaited.
 * Does not: read from a socket (listener/).
 */
import { newId } from '../log/id.ts';
import { RelayError } from '../protocol/failure.ts';
import { RECIPIENTS } from '../protocol/limits.ts';
import { parsePathArgument, type PathArgument, type PathFault } from '../protocol/path.ts';
import { isMailAccepted, ownReply, replyText, type Reply } from '../protocol/reply.ts';
import { asksRequireTls, declaredOctets, hasValidValues } from '../upstream/parameters.ts';
import type { Target } from '../upstream/target.ts';
import { failureReply, INTERNAL_ERROR } from './failure-reply.ts';
import { offeredKeywords } from './offer.ts';
import { refuse, type MessageSource } from './refuse.ts';
import type { RelayContext } from './relay-context.ts';
import { RoutedDelivery } from './routed-delivery.ts';
import { RouteTable } from './routes.ts';
import type { Arrival } from './trace-header.ts';
import { Transfer } from './transfer.ts';

export class RelaySession {
  readonly sid: string;
  /** Messages that were delivered. */
  delivered = 0;
  /** The name that the client logged in with. */
  user: string | undefined;
  /** HELO or EHLO argument as received. */
  helo = '';
  /** Of the transaction that was begun last, whatever became of it. */
  protected tid: string | undefined;
  readonly #context: RelayContext;
  /** Where mail of this client goes, if not where everybody's does. */
  #ownRoutes: RouteTable | undefined;
  readonly #client: string;
  readonly #began = performance.now();
  #delivery: RoutedDelivery | undefined;
  #transfer: Transfer | undefined;
  #attempted = 0;
  /** Whether MAIL had SMTPUTF8. */
  #isInternational = false;
  #isBeginning = false;
  #isEnding = false;
  #isClosed = false;
  readonly #gone = new AbortController();

  /**
   * @param sid names it in the log
   * @param client IP address
   */
  constructor(context: RelayContext, sid: string, client: string, isTls: boolean) {
    this.#context = context;
    this.#client = client;
    this.sid = sid;
    context.log.emit('session.opened', { sid, client, tls: isTls });
  }

  /**
   * Who the client has shown to be; undefined for nobody in particular.
   *
   * @param targets its own, if it logs in at the upstream itself: then it has no choice of upstreams
   */
  identify(user: string | undefined, targets: readonly Target[] | undefined): void {
    this.user = user;
    this.#ownRoutes =
      targets === undefined ? undefined : new RouteTable({ name: undefined, targets, isClients: true });
  }

  /** To be called once in a while. @param now performance.now() */
  tend(now: number): void {
    this.#delivery?.tend(now);
  }

  /** EHLO keywords: what every upstream that this client's mail may go to can take. */
  keywords(isTls: boolean): readonly string[] {
    const { pool, maxOctets } = this.#context;
    const offers = this.#routes
      .forClient(this.#client, this.user)
      .map(({ targets }) => pool.offerOf(targets));
    return offeredKeywords(offers, maxOctets, isTls);
  }

  /** Whether a transaction has begun and not ended. */
  get isInTransaction(): boolean {
    return this.#delivery !== undefined;
  }

  /**
   * MAIL: answered once the hop to the upstream is secured.
   *
   * @param argument what follows `MAIL `
   * @param isTls whether the client itself speaks TLS: only then may it ask for REQUIRETLS (RFC 8689 §2)
   */
  async mail(argument: Buffer, isTls: boolean): Promise<Reply> {
    if (this.#delivery !== undefined)
      return ownReply([503, '5.5.1'], 'A transaction is under way; send RSET first.');
    const parsed = parsePathArgument(argument, 'FROM');
    if ('fault' in parsed) return syntaxReply(parsed.fault, '5.1.7', 'MAIL FROM:<address>');
    const refusal = this.#judge(parsed.ok, isTls);
    if (refusal !== undefined) return refusal;
    this.#isInternational = hasParameter(parsed.ok, 'SMTPUTF8');
    const sender = this.#sender(parsed.ok);
    if (!('path' in sender)) return sender;
    return this.#begin(sender, this.#context.addresses.completed(parsed.ok.path.slice(1, -1)));
  }

  /** RCPT: the upstream's own reply. @param argument what follows `RCPT ` */
  async rcpt(argument: Buffer): Promise<Reply> {
    const delivery = this.#delivery;
    if (delivery === undefined) return ownReply([503, '5.5.1'], 'Send MAIL first.');
    const parsed = parsePathArgument(argument, 'TO');
    if ('fault' in parsed) return syntaxReply(parsed.fault, '5.1.3', 'RCPT TO:<address>');
    if (!hasValidValues(parsed.ok)) return PARAMETER_FAULT;
    if (parsed.ok.isInternational && !this.#isInternational) return needsSmtputf8('5.1.3');
    if (this.#attempted >= RECIPIENTS)
      return ownReply([452, '4.5.3'], 'Too many recipients for one message.');
    this.#attempted += 1;
    const recipient = this.#recipient(parsed.ok, delivery.tid);
    return 'path' in recipient ? delivery.rcpt(recipient) : recipient;
  }

  /**
   * DATA.
   *
   * @returns undefined when content may come: then `write` and `end` follow
   */
  async data(arrival: Arrival): Promise<Reply | undefined> {
    const delivery = this.#delivery;
    if (delivery === undefined) return ownReply([503, '5.5.1'], 'Send MAIL and RCPT first.');
    if (!delivery.hasRecipient) {
      const text = this.#attempted === 0 ? 'Send RCPT first.' : 'No recipient was accepted.';
      return ownReply([this.#attempted === 0 ? 503 : 554, '5.5.1'], text);
    }
    const begun = await delivery.data(arrival);
    if (begun instanceof Transfer) this.#transfer = begun;
    else this.#delivery = undefined;
    return begun instanceof Transfer ? undefined : begun;
  }

  /** Content of the message, as the client wrote it; resolves when more is wanted. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    await this.#transfer?.write(pieces);
  }

  /** The client ended the message. */
  async end(): Promise<Reply> {
    const transfer = this.#transfer;
    if (transfer === undefined) return INTERNAL_ERROR;
    this.#isEnding = true;
    const reply = await transfer.end();
    this.#isEnding = false;
    this.#delivery = undefined;
    this.#transfer = undefined;
    if (isMailAccepted(reply)) this.delivered += 1;
    return reply;
  }

  /** RSET, EHLO, HELO: the transaction is given up. */
  async reset(): Promise<void> {
    const [delivery, octets] = [this.#delivery, this.#transfer?.octets];
    this.#delivery = undefined;
    this.#transfer?.drop();
    this.#transfer = undefined;
    await delivery?.abandon(octets);
  }

  /** The client is gone. A message that it had ended goes on to its verdict. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#isBeginning || this.#delivery !== undefined) this.#gone.abort();
    const ms = Math.round(performance.now() - this.#began);
    this.#context.log.emit('session.closed', { sid: this.sid, messages: this.delivered, ms });
    if (!this.#isEnding) await this.reset();
  }

  /** Those that count now: a session may see the configuration change. */
  get #routes(): RouteTable {
    return this.#ownRoutes ?? this.#context.routes;
  }

  get #source(): MessageSource {
    return { client: this.#client, user: this.user };
  }

  /** What can be said about MAIL without a hop. */
  #judge(argument: PathArgument, isTls: boolean): Reply | undefined {
    const { maxOctets, onTlsFailure } = this.#context;
    if (!hasValidValues(argument)) return PARAMETER_FAULT;
    if (argument.isInternational && !hasParameter(argument, 'SMTPUTF8')) return needsSmtputf8('5.1.7');
    if (asksRequireTls(argument) && !isTls) {
      return ownReply([530, '5.7.0'], 'REQUIRETLS can be asked for inside TLS only.');
    }
    if ((declaredOctets(argument) ?? 0) > maxOctets)
      return failureReply({ kind: 'too-big', maxOctets }, onTlsFailure);
    return undefined;
  }

  /** @returns the argument as it goes up, or the refusal of local policy */
  #sender(argument: PathArgument): PathArgument | Reply {
    try {
      return this.#context.addresses.sender(argument);
    } catch (error) {
      this.tid = newId();
      const ids = { sid: this.sid, tid: this.tid, hid: undefined };
      return refuse(error, { ids, source: this.#source, argument, ms: 0 }, this.#context).reply;
    }
  }

  /** @returns the argument as it goes up, or the refusal of local policy */
  #recipient(argument: PathArgument, tid: string): PathArgument | Reply {
    const { addresses, log, onTlsFailure } = this.#context;
    try {
      return addresses.recipient(argument);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const reply = failureReply(error.failure, onTlsFailure);
      const whose = { sid: this.sid, tid, hid: undefined, ...this.#source };
      log.emit('recipient.refused', { ...whose, reply: replyText(reply) });
      return reply;
    }
  }

  /** @param argument as it goes up @param sender as the client gave it, with its domain */
  async #begin(argument: PathArgument, sender: string): Promise<Reply> {
    const routes = this.#routes.forMessage({ client: this.#client, user: this.user, sender });
    const { signal } = this.#gone;
    const beginning = { sid: this.sid, source: this.#source, argument, signal };
    const delivery = new RoutedDelivery(this.#context, routes, beginning);
    this.tid = delivery.tid;
    this.#isBeginning = true;
    const reply = await delivery.begin().finally(() => (this.#isBeginning = false));
    if (!isMailAccepted(reply)) return reply;
    if (this.#isClosed) await delivery.abandon();
    else this.#delivery = delivery;
    this.#attempted = 0;
    return reply;
  }
}

const PARAMETER_FAULT = ownReply([501, '5.5.4'], 'A parameter has a value that is not allowed.');

/** RFC 6531 §3.4: an address beyond ASCII is no address without it. */
function needsSmtputf8(enhanced: '5.1.7' | '5.1.3'): Reply {
  return ownReply([501, enhanced], 'An address beyond ASCII needs the parameter SMTPUTF8 at MAIL.');
}

function hasParameter({ parameters }: PathArgument, keyword: string): boolean {
  return parameters.some((parameter) => parameter.keyword === keyword);
}

function syntaxReply(fault: PathFault, enhanced: '5.1.7' | '5.1.3', form: string): Reply {
  switch (fault) {
    case 'syntax':
      return ownReply([501, enhanced], `The address is not understood; the form is ${form}.`);
    case 'too-long':
      return ownReply([501, enhanced], 'The address is too long.');
    case 'bad-octets':
      return ownReply([501, enhanced], 'The address has octets that no address can have.');
    case 'bad-parameter':
      return ownReply([501, '5.5.4'], 'A parameter is not understood, or was given twice.');
  }
}
