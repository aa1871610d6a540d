/**
 * An upstream with moods: it takes mail, puts it off or refuses it at some command, leaves, or takes it and does not say so.
 *
 * Guarantees: what it has taken is in the ledger, whatever it said; it forgets all else, so that it can run for hours.
 */
import type { Identity } from '../../test/support/pki.ts';
import {
  CLOSE,
  GOOD_KEYWORDS,
  RESET,
  ScriptedUpstream,
  type Answer,
  type Connection,
  type Message,
} from '../../test/support/scripted-upstream.ts';
import type { Ledger } from './ledger.ts';

export const MOODS = [
  'good',
  'good',
  'good',
  'down',
  'puts MAIL off',
  'puts some recipients off',
  'puts content off',
  'refuses some recipients',
  'refuses content',
  'closes its session',
  'resets in the content',
  'takes it and resets',
] as const;
export type Mood = (typeof MOODS)[number];

/** What moods make of one command; of recipients every other one. */
const MOODY: { readonly [M in Mood]?: readonly [verb: string, answer: Answer] } = {
  'puts MAIL off': ['MAIL', '450 4.3.2 Later\r\n'],
  'puts some recipients off': ['RCPT', '450 4.2.1 Later\r\n'],
  'refuses some recipients': ['RCPT', '550 5.1.1 Nobody\r\n'],
  'closes its session': ['MAIL', '421 4.3.2 Going down\r\n'],
  'resets in the content': ['BDAT', RESET],
};

/** Reports are never refused, for nobody would hear of that; nor put off then. */
const TO_SENDER = /^RCPT TO:<[^@>]*@x\.test>/;

/** Where it writes down what it has taken. */
export type Receipts = Pick<Ledger, 'deliver' | 'giveBack'>;

export class FlappingUpstream implements AsyncDisposable {
  readonly port: number;
  readonly #identity: Identity;
  readonly #ledger: Receipts;
  #upstream: ScriptedUpstream | undefined;
  #mood: Mood = 'good';
  #asked = 0;

  readonly #host: string;

  private constructor(identity: Identity, ledger: Receipts, upstream: ScriptedUpstream, host: string) {
    this.#host = host;
    this.#identity = identity;
    this.#ledger = ledger;
    this.#upstream = upstream;
    this.port = upstream.port;
  }

  static async start(identity: Identity, ledger: Receipts, host = '127.0.0.1'): Promise<FlappingUpstream> {
    const first = await ScriptedUpstream.start({ mode: 'implicit', identity, host });
    const flapping = new FlappingUpstream(identity, ledger, first, host);
    await flapping.restart();
    return flapping;
  }

  /** Connections that are open. */
  get connections(): number {
    this.#forget();
    return this.#upstream?.connections.length ?? 0;
  }

  async be(mood: Mood): Promise<void> {
    this.#mood = mood;
    if (mood === 'down') await this.#stop();
    else await this.#listen();
  }

  /** Breaks all connections off and listens again. */
  async restart(): Promise<void> {
    await this.#stop();
    await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }

  async #stop(): Promise<void> {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    await upstream?.[Symbol.asyncDispose]();
  }

  async #listen(): Promise<void> {
    this.#forget();
    this.#upstream ??= await ScriptedUpstream.start({
      mode: 'implicit',
      identity: this.#identity,
      host: this.#host,
      port: this.port,
      keywords: [...GOOD_KEYWORDS, 'CHUNKING'],
      keepContent: isReport,
      answer: (line) => this.#answer(line),
      verdict: (message, at) => this.#verdict(message, at),
    });
  }

  #answer(line: string): Answer | undefined {
    const [verb, answer] = MOODY[this.#mood] ?? [];
    if (verb === undefined || !line.startsWith(verb) || TO_SENDER.test(line)) return undefined;
    this.#asked += 1;
    return verb === 'RCPT' && this.#asked % 2 === 0 ? undefined : answer;
  }

  #verdict({ mail, rcpts, content }: Message, { commands }: Connection): Answer {
    this.#forget();
    if (this.#mood === 'puts content off') return '451 4.3.0 Later\r\n';
    if (this.#mood === 'refuses content' && !isReport(mail)) return '554 5.6.0 Not this\r\n';
    if (this.#mood === 'down') return CLOSE; // it went down while this was under way
    const isConfirmed = this.#mood !== 'takes it and resets';
    const relay = commands.find((line) => line.startsWith('EHLO '))?.slice('EHLO '.length);
    // A message may have several reports, each of other recipients.
    const names = isReport(mail) ? [messageIdOf(content)] : rcpts.map(recipientOf);
    for (const name of names) this.#ledger.deliver(name, isConfirmed, relay);
    if (isReport(mail)) for (const one of failedIn(content)) this.#ledger.giveBack(one);
    return isConfirmed ? '250 2.0.0 Queued\r\n' : RESET;
  }

  #forget(): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    upstream.messages.splice(0);
    const open = upstream.connections.filter(({ closed }) => !closed);
    upstream.connections.splice(0, upstream.connections.length, ...open);
  }
}

/** A bounce is from nobody. */
function isReport(mail: string): boolean {
  return mail.startsWith('MAIL FROM:<>');
}

/** The recipients of a report (RFC 3464 §2.3.2). */
function failedIn(report: Buffer): readonly string[] {
  return [...report.toString('latin1').matchAll(/^Final-Recipient: *rfc822; *([^@]+)@/gim)].map(
    ([, recipient = '']) => recipient,
  );
}

function messageIdOf(report: Buffer): string {
  return /^Message-ID: *(.*)\r$/im.exec(report.toString('latin1'))?.[1] ?? 'a report without a name';
}

function recipientOf(line: string): string {
  return /^RCPT TO:<([^@>]+)@/.exec(line)?.[1] ?? line;
}
