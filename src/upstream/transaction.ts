/**
 * One message on a secured hop: RCPT, then DATA or BDAT.
 *
 * Guarantees: a reply is attributed to the command that drew it; no content leaves before a recipient was accepted; the
 * end of the message is sent by `Body.end()` and by nothing else.
 * Does not: choose what the client is told (relay/).
 */
import type { Capabilities } from '../protocol/capabilities.ts';
import { CommandLine } from '../protocol/command.ts';
import { RelayError } from '../protocol/failure.ts';
import { isMailAccepted, isRefusal, type Reply } from '../protocol/reply.ts';
import { ChunkedBody, SevenBitBody, StuffedBody, type Body, type ContentRule } from './body.ts';
import type { Channel } from './channel.ts';
import type { HopTimeouts } from './target.ts';

export class Transaction {
  readonly #channel: Channel<'MAIL' | 'RCPT' | 'DATA' | 'BDAT'>;
  readonly #capabilities: Capabilities;
  readonly #timeouts: HopTimeouts;
  readonly #command: CommandLine<'MAIL'>;
  readonly #rule: ContentRule;
  #mail: Promise<Reply> | undefined;
  /** The end of the RCPT before, for an upstream that takes one command at a time. */
  #turn = Promise.resolve();
  #hasRecipient = false;
  #body: ChunkedBody | StuffedBody | undefined;
  #isMailRefused = false;
  #isDataAsked = false;

  constructor(
    channel: Channel<'MAIL' | 'RCPT' | 'DATA' | 'BDAT'>,
    capabilities: Capabilities,
    timeouts: HopTimeouts,
    command: CommandLine<'MAIL'>,
    rule: ContentRule,
  ) {
    this.#rule = rule;
    this.#channel = channel;
    this.#capabilities = capabilities;
    this.#timeouts = timeouts;
    this.#command = command;
  }

  /** Whether MAIL has not left yet. */
  get isUnsent(): boolean {
    return this.#mail === undefined;
  }

  /** Whether the upstream has accepted a recipient. */
  get hasRecipient(): boolean {
    return this.#hasRecipient;
  }

  /** Whether content may have left, or the upstream may be waiting for it. */
  get hasContent(): boolean {
    return this.#body !== undefined || this.#isDataAsked;
  }

  /** Whether the upstream's state is as before MAIL: nothing was sent, MAIL was refused, or the verdict is in. */
  get isOver(): boolean {
    return this.#mail === undefined || this.#isMailRefused || this.#body?.isOver === true;
  }

  /**
   * Sends a RCPT: at once where the upstream pipelines, so that the first is in one flight with MAIL and the others with
   * it if they are asked for in one go (RFC 2920 §3.1); else after what was sent before has been answered.
   *
   * @returns the upstream's reply, 25x, 4xx or 5xx
   * @throws {RelayError} refused at `mail`, or with 421 | protocol | lost
   */
  async rcpt(command: CommandLine<'RCPT'>): Promise<Reply> {
    const { commandMs } = this.#timeouts;
    this.#mail ??= this.#channel.send(this.#command, 'mail', commandMs);
    if (this.#capabilities.has('PIPELINING'))
      return this.#answered(this.#channel.send(command, 'rcpt', commandMs));
    const before = this.#turn;
    const ended = Promise.withResolvers<void>();
    this.#turn = ended.promise;
    try {
      this.#expectMail(await this.#mail);
      await before;
      return await this.#answered(this.#channel.send(command, 'rcpt', commandMs));
    } finally {
      ended.resolve();
    }
  }

  async #answered(sent: Promise<Reply>): Promise<Reply> {
    if (this.#mail !== undefined) this.#expectMail(await this.#mail);
    const reply = await sent;
    // RFC 5321 §3.8: 421 ends the session, and with it the recipients accepted before.
    if (reply.code === 421) throw new RelayError({ kind: 'refused', phase: 'rcpt', reply });
    if (isMailAccepted(reply)) this.#hasRecipient = true;
    else if (!isRefusal(reply)) throw this.#channel.desynchronised('rcpt', reply);
    return reply;
  }

  /**
   * Begins the content: at once where the upstream takes chunks (RFC 3030), else after its 354.
   *
   * @throws {RelayError} refused at `data` | protocol | lost
   */
  async data(): Promise<Body> {
    const body = await this.#begin();
    return this.#rule === '7bit' ? new SevenBitBody(body) : body;
  }

  async #begin(): Promise<Body> {
    if (!this.#hasRecipient) throw new TypeError('no recipient was accepted');
    if (this.#capabilities.has('CHUNKING')) {
      this.#body = new ChunkedBody(this.#channel, this.#timeouts, this.#capabilities.has('PIPELINING'));
      return this.#body;
    }
    this.#isDataAsked = true;
    const body = new StuffedBody(this.#channel, this.#timeouts);
    const reply = await this.#channel.send(CommandLine.data(), 'data', this.#timeouts.commandMs);
    this.#isDataAsked = !isRefusal(reply);
    if (reply.code !== 354) body.forget();
    if (isRefusal(reply)) throw new RelayError({ kind: 'refused', phase: 'data', reply });
    if (reply.code !== 354) throw this.#channel.desynchronised('data', reply);
    this.#body = body;
    return body;
  }

  #expectMail(reply: Reply): void {
    if (isMailAccepted(reply)) return;
    this.#isMailRefused = true;
    if (isRefusal(reply)) throw new RelayError({ kind: 'refused', phase: 'mail', reply });
    throw this.#channel.desynchronised('mail', reply);
  }
}
