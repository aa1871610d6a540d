/**
 * A hop whose peer is authenticated: the only object that can say AUTH and MAIL.
 *
 * Guarantees: made from a `VerifiedTls` only; what it knows of the server comes from the EHLO inside TLS; one
 * transaction at a time.
 */
import { Capabilities } from '../protocol/capabilities.ts';
import { CommandLine } from '../protocol/command.ts';
import { RelayError } from '../protocol/failure.ts';
import { isMailAccepted, isRefusal, type Reply } from '../protocol/reply.ts';
import type { TlsEvidence, VerifiedTls } from '../tls/verified-tls.ts';
import { authenticate } from './authenticate.ts';
import type { ContentRule } from './body.ts';
import { Channel } from './channel.ts';
import type { Deadline } from './deadline.ts';
import type { MechanismName } from './sasl/mechanism.ts';
import type { Credentials, HopSettings, HopTimeouts } from './target.ts';
import { Transaction } from './transaction.ts';

export interface Opening extends HopSettings {
  readonly credentials?: Credentials | undefined;
  /** For opening the hop, in total. */
  readonly deadline: Deadline;
  /** Asked before credentials are offered; resolves when they may be. */
  readonly mayAuth: () => Promise<void>;
}

/** Nobody waits for a RSET or a NOOP but the next transaction, which can have another hop. */
const LITTLE_MS = 5_000;

type SecuredVerb = 'EHLO' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'BDAT' | 'RSET' | 'NOOP' | 'QUIT';

export class SecuredHop {
  readonly evidence: TlsEvidence;
  readonly capabilities: Capabilities;
  /** Inside TLS; undefined after STARTTLS. For people who ask what is there; nothing depends on it. */
  readonly greeting: Reply | undefined;
  /** That logged us in; undefined where no AUTH took place. For people, too. */
  readonly mechanism: MechanismName | undefined;
  readonly #channel: Channel<SecuredVerb>;
  readonly #timeouts: HopTimeouts;
  #transaction: Transaction | undefined;
  #transactionsBefore = 0;

  private constructor(
    channel: Channel<SecuredVerb>,
    learnt: Pick<SecuredHop, 'capabilities' | 'greeting' | 'evidence' | 'mechanism'>,
    timeouts: HopTimeouts,
  ) {
    this.#channel = channel;
    this.capabilities = learnt.capabilities;
    this.greeting = learnt.greeting;
    this.mechanism = learnt.mechanism;
    this.evidence = learnt.evidence;
    this.#timeouts = timeouts;
  }

  /**
   * Says EHLO and AUTH inside TLS.
   *
   * @param greeting whether a 220 comes first: on implicit TLS; after STARTTLS there is none (RFC 3207 §4.2)
   * @throws {RelayError} session-refused | auth | protocol | lost
   */
  static async open(
    verified: VerifiedTls,
    greeting: 'greets' | 'greeted',
    opening: Opening,
  ): Promise<SecuredHop> {
    const { deadline, timeouts, hostname, credentials } = opening;
    const channel = new Channel<SecuredVerb>(verified.stream);
    const timeoutMs = (): number => Math.min(timeouts.commandMs, deadline.remainingMs);
    try {
      const said = greeting === 'greets' ? await greetingOf(channel, timeoutMs()) : undefined;
      const reply = await channel.send(CommandLine.ehlo(hostname), 'ehlo', timeoutMs());
      const capabilities = expectCapabilities(channel, reply, true);
      let mechanism: MechanismName | undefined;
      if (credentials !== undefined) {
        await opening.mayAuth();
        mechanism = await authenticate(channel, capabilities, credentials, {
          timeoutMs,
          binding: verified.channelBinding,
        });
      }
      channel.assertOpen(credentials === undefined ? 'ehlo' : 'auth'); // a reply too many has ended it
      const { evidence } = verified;
      return new SecuredHop(channel, { capabilities, greeting: said, evidence, mechanism }, timeouts);
    } catch (error) {
      void channel.quit(CommandLine.quit());
      throw error;
    }
  }

  /** Transactions whose MAIL was sent. */
  get transactions(): number {
    return this.#transactionsBefore + (this.#transaction?.isUnsent === false ? 1 : 0);
  }

  /** Whether a transaction can begin: connected, and nothing under way. */
  get isReady(): boolean {
    return this.#channel.isQuiet && (this.#transaction?.isOver ?? true);
  }

  /** Called once, when the connection ends, by whomever. */
  set onEnd(listener: (reason: string) => void) {
    this.#channel.onEnd = listener;
  }

  /**
   * Begins a transaction: MAIL leaves with the first RCPT where the upstream pipelines.
   *
   * @throws {RelayError} lost | protocol, when the hop has ended meanwhile
   */
  mail(command: CommandLine<'MAIL'>, rule: ContentRule): Transaction {
    this.#channel.assertOpen('mail');
    if (!this.isReady) throw new TypeError('the hop has a transaction under way');
    this.#transactionsBefore = this.transactions;
    this.#transaction = new Transaction(this.#channel, this.capabilities, this.#timeouts, command, rule);
    return this.#transaction;
  }

  /**
   * Makes the hop ready for another transaction: RSET for an envelope without content.
   *
   * @returns false when the hop cannot be used again; it is closed then
   */
  async recover(): Promise<boolean> {
    if (this.isReady) return true;
    if (this.#canReset) {
      if (await this.#isAnswered(CommandLine.rset())) {
        this.#transactionsBefore = this.transactions;
        this.#transaction = undefined;
        return true;
      }
    }
    // Content without its end: closing the connection is the one sure way not to end it (RFC 5321 §4.1.1.4).
    this.destroy();
    return false;
  }

  /** Shows both sides that the other is there. @returns whether it is */
  async noop(): Promise<boolean> {
    return this.#isAnswered(CommandLine.noop());
  }

  /** Says goodbye; resolves when the connection is gone. */
  async quit(): Promise<void> {
    return this.#channel.quit(CommandLine.quit());
  }

  destroy(): void {
    this.#channel.destroy();
  }

  /** Between commands, or behind commands where the upstream pipelines; never where content is expected. */
  get #canReset(): boolean {
    if (this.#channel.endReason !== undefined || this.#transaction?.hasContent === true) return false;
    return this.#channel.isQuiet || this.capabilities.has('PIPELINING');
  }

  async #isAnswered(command: CommandLine<'RSET' | 'NOOP'>): Promise<boolean> {
    try {
      const reply = await this.#channel.send(command, 'mail', LITTLE_MS);
      return isMailAccepted(reply) && this.#channel.isQuiet;
    } catch (error) {
      if (error instanceof RelayError) return false;
      throw error;
    }
  }
}

/** @throws {RelayError} session-refused | unreachable | protocol */
async function greetingOf(channel: Channel<never>, timeoutMs: number): Promise<Reply> {
  try {
    const reply = await channel.awaitReply('greeting', timeoutMs);
    expectGreeting(channel, reply, true);
    return reply;
  } catch (error) {
    if (!(error instanceof RelayError) || error.failure.kind !== 'unreachable') throw error;
    throw new RelayError({ ...error.failure, isInsideTls: true }, { cause: error });
  }
}

/** @throws {RelayError} session-refused | protocol */
export function expectGreeting(channel: Channel<never>, reply: Reply, isInsideTls: boolean): void {
  if (isRefusal(reply))
    throw new RelayError({ kind: 'session-refused', phase: 'greeting', reply, isInsideTls });
  if (reply.code !== 220) throw channel.desynchronised('greeting', reply);
}

/** @throws {RelayError} session-refused | protocol */
export function expectCapabilities(
  channel: Channel<never>,
  reply: Reply,
  isInsideTls: boolean,
): Capabilities {
  if (isRefusal(reply)) throw new RelayError({ kind: 'session-refused', phase: 'ehlo', reply, isInsideTls });
  if (reply.code !== 250) throw channel.desynchronised('ehlo', reply);
  return Capabilities.of(reply);
}
