/**
 * The content of one message, from DATA to its verdict.
 *
 * Guarantees: a success is what the delivery says it is, and said nowhere else; after a failure the rest is read and
 * dropped, and the end tells of it.
 */
import type { Reply } from '../protocol/reply.ts';
import type { Body } from '../upstream/body.ts';
import { Content } from './content.ts';
import type { Delivering } from './delivering.ts';
import type { HeaderBlock } from './header-block.ts';
import type { MemoryShare } from './memory-budget.ts';
import { outgoingHeader } from './outgoing-header.ts';
import type { RelayContext } from './relay-context.ts';
import type { Arrival } from './trace-header.ts';

export class Transfer {
  readonly #context: RelayContext;
  readonly #delivery: Delivering;
  readonly #content: Content;
  readonly #memory: MemoryShare;
  #refusal: Reply | undefined;

  private constructor(context: RelayContext, delivery: Delivering, body: Body, arrival: Arrival) {
    this.#context = context;
    this.#delivery = delivery;
    this.#memory = context.memory.share();
    this.#content = new Content(body, {
      maxOctets: delivery.maxOctets,
      lineEndings: context.lineEndings,
      memory: this.#memory,
      prepareHeader: (header) => this.#prepareHeader(header, arrival),
    });
  }

  /** Begins the content. @returns the refusal when none may come */
  static async begin(
    context: RelayContext,
    delivery: Delivering,
    arrival: Arrival,
  ): Promise<Transfer | Reply> {
    const begun = await delivery.data();
    return 'reply' in begun ? begun.reply : new Transfer(context, delivery, begun, arrival);
  }

  /** As the client sent them. */
  get octets(): number {
    return this.#content.octets;
  }

  /** Takes content; never rejects. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    if (this.#refusal !== undefined) return;
    try {
      await this.#content.write(pieces);
    } catch (error) {
      this.#refusal = this.#delivery.fail(error, this.octets).reply;
      this.drop();
    }
  }

  /** The client ended the message: ends it upstream and gives the verdict. */
  async end(): Promise<Reply> {
    if (this.#refusal !== undefined) return this.#refusal;
    try {
      const verdict = await this.#content.end();
      return this.#delivery.delivered(verdict, this.octets);
    } catch (error) {
      return this.#delivery.fail(error, this.octets).reply;
    } finally {
      this.drop();
    }
  }

  /** Nothing more is held of the message. */
  drop(): void {
    this.#memory.hold(0);
  }

  /** @throws {RelayError} policy */
  #prepareHeader(header: HeaderBlock, arrival: Arrival): readonly Buffer[] {
    const { ids } = this.#delivery;
    const { pieces, signature } = outgoingHeader(header, this.#context, arrival, ids.tid);
    if (signature === undefined) return pieces;
    const refusal = this.#context.addresses.refusalOfSigned(signature);
    const action = refusal === undefined ? 'passed' : 'refused';
    this.#context.log.emit('message.signed', { ...ids, signature, action });
    if (refusal !== undefined) throw refusal;
    return pieces;
  }
}
