/**
 * A session whose dialogue about each message is told, for a page to show.
 *
 * Guarantees: one that is not listened to is as fast as any; of each transaction at most so many exchanges are kept; logins and
 * content are not among them.
 */
import { parsePathArgument } from '../protocol/path.ts';
import { isMailAccepted, replyText, type Reply } from '../protocol/reply.ts';
import type { Exchange } from '../log/events.ts';
import type { Dialogue, DialogueTeller } from './dialogue-teller.ts';
import type { RelayContext } from './relay-context.ts';
import { RelaySession } from './session.ts';
import type { Arrival } from './trace-header.ts';

/** Commands of one message that are told; the last is always told. */
const MOST_EXCHANGES = 20;

/** One that tells, where somebody may look at it. */
export function sessionFor(
  context: RelayContext,
  ...client: [sid: string, address: string, isTls: boolean]
): RelaySession {
  const { dialogues } = context;
  return dialogues === undefined
    ? new RelaySession(context, ...client)
    : new ToldSession(dialogues, context, ...client);
}

class ToldSession extends RelaySession {
  readonly #teller: DialogueTeller;
  readonly #context: RelayContext;
  /** Undefined while nobody listens. */
  #told: Exchange[] | undefined;
  #contentBegan = 0;

  constructor(
    teller: DialogueTeller,
    context: RelayContext,
    ...client: [sid: string, address: string, isTls: boolean]
  ) {
    super(context, ...client);
    this.#teller = teller;
    this.#context = context;
  }

  override async mail(argument: Buffer, isTls: boolean): Promise<Reply> {
    const before = this.tid;
    const asked = performance.now();
    const reply = await super.mail(argument, isTls);
    if (this.tid === before) return reply; // none has begun
    this.#told = this.#teller.mayListen() ? [] : undefined;
    if (this.#told !== undefined) this.#take(this.#commandText('MAIL', 'FROM', argument), reply, asked);
    if (!isMailAccepted(reply)) this.#tell(this.#ended());
    return reply;
  }

  override rcpt(argument: Buffer): Promise<Reply> {
    const answered = super.rcpt(argument);
    return this.#told === undefined ? answered : this.#hearRcpt(argument, answered);
  }

  override data(arrival: Arrival): Promise<Reply | undefined> {
    const answered = super.data(arrival);
    return this.#told === undefined ? answered : this.#hearData(answered);
  }

  override end(): Promise<Reply> {
    const answered = super.end();
    return this.#told === undefined ? answered : this.#hearEnd(answered);
  }

  override async reset(): Promise<void> {
    const ended = this.#ended();
    await super.reset();
    this.#tell(ended); // after what became of the message
  }

  async #hearRcpt(argument: Buffer, answered: Promise<Reply>): Promise<Reply> {
    const asked = performance.now();
    const reply = await answered;
    this.#take(this.#commandText('RCPT', 'TO', argument), reply, asked);
    return reply;
  }

  async #hearData(answered: Promise<Reply | undefined>): Promise<Reply | undefined> {
    const asked = performance.now();
    const reply = await answered;
    this.#contentBegan = performance.now();
    this.#take('DATA', reply ?? GO_AHEAD, asked);
    if (!this.isInTransaction) this.#tell(this.#ended());
    return reply;
  }

  async #hearEnd(answered: Promise<Reply>): Promise<Reply> {
    const reply = await answered;
    this.#take('.', reply, this.#contentBegan);
    this.#tell(this.#ended());
    return reply;
  }

  #take(command: string, reply: Reply, asked: number): void {
    const told = this.#told;
    if (told === undefined) return;
    if (told.length === MOST_EXCHANGES) told.pop();
    told.push({ command, reply: replyText(reply), ms: Math.round(performance.now() - asked) });
  }

  #ended(): Dialogue | undefined {
    const { tid, sid, helo } = this;
    const exchanges = this.#told;
    this.#told = undefined;
    return tid === undefined || exchanges === undefined ? undefined : { sid, tid, helo, exchanges };
  }

  #tell(dialogue: Dialogue | undefined): void {
    if (dialogue !== undefined) this.#teller.tell(this.#context.log, dialogue);
  }

  /** Without parameters: one of them may name an address. */
  #commandText(verb: 'MAIL' | 'RCPT', keyword: 'FROM' | 'TO', argument: Buffer): string {
    const parsed = parsePathArgument(argument, keyword);
    return 'fault' in parsed ? verb : `${verb} ${keyword}:${this.#teller.shownPath(parsed.ok.path)}`;
  }
}

const GO_AHEAD: Reply = { code: 354, lines: ['End data with <CR><LF>.<CR><LF>'] };
