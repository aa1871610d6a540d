/**
 * How slowly a client may go: who drips octets or commands keeps what others wait for.
 *
 * Guarantees: pure; the time that the client waits for the relay or the upstream is never counted against it.
 */
import { RECIPIENTS } from '../protocol/limits.ts';

export interface PaceOptions {
  /** Octets of content a second, in the mean over the time that the relay waited for them. */
  readonly leastRate: number;
  /** From MAIL to the end of the message, ms of which the relay waited for the client. */
  readonly longestTransactionMs: number;
}

/** A line is dripped too; RFC 5321 §4.5.3.2.7 gives a client five minutes for its next command. */
const COMMAND_MS = 300_000;

/** Before that the rate says little: a device may say the header and then scan page after page. */
const PROBATION_S = 300;

/** Commands since the last message that was delivered: NOOP for ever is no mail, nor are names for ever. */
const IDLE_COMMANDS = 1_000;
const IDLE_RECIPIENTS = 2 * RECIPIENTS;

export type PaceFault = 'slow-content' | 'slow-command' | 'long-transaction' | 'idle-commands';

export class SessionPace {
  readonly #options: PaceOptions;
  /** Since when the client is waited for; undefined while it waits. */
  #waitingSince: number | undefined;
  /** How long it was waited for before that: the client's own time, by which it is judged. */
  #waitedMs = 0;
  /** When the transaction began, in the client's own time. */
  #transactionAt: number | undefined;
  #content: { octets: number; readonly at: number } | undefined;
  #idleCommands = 0;
  #idleRecipients = 0;

  constructor(options: PaceOptions, now: number) {
    this.#options = options;
    this.#waitingSince = now;
  }

  /** A whole command has come; one that has to wait for those before it says nothing about the client. */
  command(verb: string | undefined, now: number): void {
    if (this.#waitingSince !== undefined) this.#restart(now);
    if (verb === 'RCPT') this.#idleRecipients += 1;
    else this.#idleCommands += 1;
  }

  /** The client waits for an answer. */
  working(now: number): void {
    this.#waitedMs = this.#ownTime(now);
    this.#waitingSince = undefined;
  }

  /** The client is waited for. */
  waiting(now: number): void {
    this.#restart(now);
  }

  transaction(isUnderWay: boolean, now: number): void {
    this.#transactionAt = isUnderWay ? (this.#transactionAt ?? this.#ownTime(now)) : undefined;
  }

  contentBegan(): void {
    this.#content = { octets: 0, at: this.#waitedMs };
  }

  received(octets: number): void {
    if (this.#content !== undefined) this.#content.octets += octets;
  }

  contentEnded(isDelivered: boolean): void {
    this.#content = undefined;
    this.#transactionAt = undefined; // the next one may begin before anybody looks
    if (!isDelivered) return;
    this.#idleCommands = 0;
    this.#idleRecipients = 0;
  }

  /** What the client is to be cut off for, now. */
  fault(now: number): PaceFault | undefined {
    if (this.#idleCommands > IDLE_COMMANDS || this.#idleRecipients > IDLE_RECIPIENTS) return 'idle-commands';
    if (this.#waitingSince === undefined) return undefined;
    const ownTime = this.#ownTime(now);
    if (ownTime - (this.#transactionAt ?? ownTime) > this.#options.longestTransactionMs)
      return 'long-transaction';
    if (this.#content === undefined)
      return now - this.#waitingSince > COMMAND_MS ? 'slow-command' : undefined;
    const { octets, at } = this.#content;
    const seconds = (ownTime - at) / 1000;
    const isSlow = seconds > PROBATION_S && octets / seconds < this.#options.leastRate;
    return isSlow ? 'slow-content' : undefined;
  }

  #restart(now: number): void {
    this.#waitedMs = this.#ownTime(now);
    this.#waitingSince = now;
  }

  #ownTime(now: number): number {
    return this.#waitedMs + (this.#waitingSince === undefined ? 0 : now - this.#waitingSince);
  }
}
