/**
 * How slowly a client may go: who drips octets or commands keeps what others wait for.
 *
 * Guarantees: pure; the time that the client waits for the relay or the upstream is never counted against it.
 */
import { RECIPIENTS } from '../protocol/limits.ts';

export interface PaceOptions {
  /** Octets of content a second, in the mean over the time that the relay waited for them. */
  readonly leastRate: number;
  /** From MAIL to the end of the message, ms. */
  readonly longestTransactionMs: number;
}

/** A line is dripped too; RFC 5321 §4.5.3.2.7 gives a client five minutes for its next command. */
const COMMAND_MS = 300_000;

/** Before that the rate says little. */
const PROBATION_MS = 60_000;

/** Commands since the last message that was delivered: NOOP for ever is no mail, nor are names for ever. */
const IDLE_COMMANDS = 1_000;
const IDLE_RECIPIENTS = 2 * RECIPIENTS;

export type PaceFault = 'slow-content' | 'slow-command' | 'long-transaction' | 'idle-commands';

export class SessionPace {
  readonly #options: PaceOptions;
  /** Since when the client is waited for; undefined while it waits. */
  #waitingSince: number | undefined;
  #transactionSince: number | undefined;
  #content: { octets: number; waitedMs: number } | undefined;
  #idleCommands = 0;
  #idleRecipients = 0;

  constructor(options: PaceOptions, now: number) {
    this.#options = options;
    this.#waitingSince = now;
  }

  /** A whole command has come. */
  command(verb: string | undefined, now: number): void {
    this.#waitingSince = now;
    if (verb === 'RCPT') this.#idleRecipients += 1;
    else this.#idleCommands += 1;
  }

  /** The client waits for an answer. */
  working(now: number): void {
    if (this.#content !== undefined && this.#waitingSince !== undefined)
      this.#content.waitedMs += now - this.#waitingSince;
    this.#waitingSince = undefined;
  }

  /** The client is waited for. */
  waiting(now: number): void {
    this.#waitingSince = now;
  }

  transaction(isUnderWay: boolean, now: number): void {
    this.#transactionSince = isUnderWay ? (this.#transactionSince ?? now) : undefined;
  }

  contentBegan(): void {
    this.#content = { octets: 0, waitedMs: 0 };
  }

  received(octets: number): void {
    if (this.#content !== undefined) this.#content.octets += octets;
  }

  contentEnded(isDelivered: boolean): void {
    this.#content = undefined;
    if (!isDelivered) return;
    this.#idleCommands = 0;
    this.#idleRecipients = 0;
  }

  /** What the client is to be cut off for, now. */
  fault(now: number): PaceFault | undefined {
    if (this.#idleCommands > IDLE_COMMANDS || this.#idleRecipients > IDLE_RECIPIENTS) return 'idle-commands';
    const since = this.#waitingSince;
    if (since === undefined) return undefined;
    if (
      this.#transactionSince !== undefined &&
      now - this.#transactionSince > this.#options.longestTransactionMs
    )
      return 'long-transaction';
    if (this.#content === undefined) return now - since > COMMAND_MS ? 'slow-command' : undefined;
    const waitedMs = this.#content.waitedMs + (now - since);
    const isSlow =
      waitedMs > PROBATION_MS && (this.#content.octets / waitedMs) * 1000 < this.#options.leastRate;
    return isSlow ? 'slow-content' : undefined;
  }
}
