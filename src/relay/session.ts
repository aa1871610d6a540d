/**
 * One client's session: the order of commands (RFC 5321 §4.1.4), and one delivery at a time.
 *
 * Guarantees: every method gives a reply, whatever happens; the session can be closed at any moment, also while a reply
 * is awaited.
 * Does not: read from a socket (listener/).
 */
import { RelayError } from '../protocol/failure.ts';
import { RECIPIENTS } from '../protocol/limits.ts';
import { parsePathArgument, type PathArgument, type PathFault } from '../protocol/path.ts';
import { isMailAccepted, ownReply, replyText, type Reply } from '../protocol/reply.ts';
import { Delivery, describeError, type RelayContext } from './delivery.ts';
import { failureReply, INTERNAL_ERROR } from './failure-reply.ts';
import { asksRequireTls, declaredOctets, hasValidValues } from './parameters.ts';
import type { Arrival } from './trace-header.ts';

export class RelaySession {
  readonly sid: string;
  /** Messages that were delivered. */
  delivered = 0;
  readonly #context: RelayContext;
  readonly #began = performance.now();
  #delivery: Delivery | undefined;
  #attempted = 0;
  /** Whether MAIL had SMTPUTF8. */
  #isInternational = false;
  #isEnding = false;
  #isClosed = false;
  readonly #gone = new AbortController();

  /**
   * @param sid names it in the log
   * @param client IP address, for the log
   */
  constructor(context: RelayContext, sid: string, client: string, isTls: boolean) {
    this.#context = context;
    this.sid = sid;
    context.log.emit('session.opened', { sid, client, tls: isTls });
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
    return this.#begin(parsed.ok);
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
    return delivery.rcpt(parsed.ok);
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
    const refusal = await delivery.data(arrival);
    if (refusal !== undefined) this.#delivery = undefined;
    return refusal;
  }

  /** Content of the message, as the client wrote it; resolves when more is wanted. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    await this.#delivery?.write(pieces);
  }

  /** The client ended the message. */
  async end(): Promise<Reply> {
    const delivery = this.#delivery;
    if (delivery === undefined) return INTERNAL_ERROR;
    this.#isEnding = true;
    const reply = await delivery.end();
    this.#isEnding = false;
    this.#delivery = undefined;
    if (isMailAccepted(reply)) this.delivered += 1;
    return reply;
  }

  /** RSET, EHLO, HELO: the transaction is given up. */
  async reset(): Promise<void> {
    const delivery = this.#delivery;
    this.#delivery = undefined;
    await delivery?.abandon();
  }

  /** The client is gone. A message that it had ended goes on to its verdict. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#gone.abort();
    const ms = Math.round(performance.now() - this.#began);
    this.#context.log.emit('session.closed', { sid: this.sid, messages: this.delivered, ms });
    if (!this.#isEnding) await this.reset();
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

  async #begin(argument: PathArgument): Promise<Reply> {
    try {
      const { signal } = this.#gone;
      const delivery = await Delivery.begin(this.#context, this.sid, argument, signal);
      if (this.#isClosed) await delivery.abandon();
      else this.#delivery = delivery;
      this.#attempted = 0;
      return ownReply([250, '2.1.0'], 'Sender ok, the hop to the upstream is secured');
    } catch (error) {
      return this.#refuse(error, argument);
    }
  }

  /** The reply when no delivery could begin. */
  #refuse(error: unknown, argument: PathArgument): Reply {
    const { log, onTlsFailure, targets } = this.#context;
    if (!(error instanceof RelayError)) {
      log.emit('internal.error', describeError(error));
      return INTERNAL_ERROR;
    }
    const { failure } = error;
    // RFC 8689 §4.2.1: what must go by TLS and cannot is returned, not tried again.
    const onTls = asksRequireTls(argument) ? 'permanent' : onTlsFailure;
    const hints = targets.flatMap((target) => target.hints ?? []);
    const reply = failureReply(failure, onTls, hints);
    const ids = { sid: this.sid, tid: undefined, hid: undefined };
    const phase = 'phase' in failure ? failure.phase : 'none';
    log.emit('transaction.refused', { ...ids, failure: failure.kind, phase, reply: replyText(reply), ms: 0 });
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
