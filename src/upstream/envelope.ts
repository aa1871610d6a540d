/**
 * MAIL and RCPT of one message: on another hop, where the first turns out to be of no use before it has accepted anybody.
 *
 * Guarantees: all recipients that are accepted are of one transaction; a kept hop that had died unnoticed is replaced once;
 * another upstream is asked only while none of the message has left, so that nobody gets it twice.
 */
import type { Log } from '../log/log.ts';
import type { Capabilities } from '../protocol/capabilities.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import type { Reply } from '../protocol/reply.ts';
import type { Body } from './body.ts';
import {
  contentRule,
  mailCommand,
  neededExtension,
  rcptCommand,
  withoutDsn,
  type RequireTlsRule,
} from './parameters.ts';
import type { HopPool, Lease, Wanted } from './pool.ts';
import { reportFailover } from './report-failure.ts';
import { isStaleHop } from './stale-hop.ts';
import type { Target } from './target.ts';
import type { Transaction } from './transaction.ts';

/** What MAIL says, and where it may go. */
export interface EnvelopeOrder {
  readonly argument: PathArgument;
  /** An upstream that has no DSN gets the message without it: whoever sends it reports to the sender himself. */
  readonly isReportedByUs?: boolean;
  /** Whether no client waits for it. */
  readonly isBackground?: boolean;
  readonly requireTls: RequireTlsRule;
  /** In order of preference. */
  readonly targets: readonly Target[];
  /** Aborts when nobody needs it any more. */
  readonly signal: AbortSignal;
}

export class Envelope {
  readonly #pool: HopPool;
  readonly #log: Log;
  readonly #order: EnvelopeOrder;
  #lease: Lease;
  #transaction: Transaction;
  /** By the transaction that failed: what takes its place. */
  readonly #replacements = new Map<Transaction, Promise<Transaction>>();
  readonly #inVain = new Set<Target>();
  /** Whether the hop is its own: given back, it serves others, and is theirs. */
  #isHeld = true;
  #isOver = false;

  private constructor(pool: HopPool, log: Log, order: EnvelopeOrder, lease: Lease) {
    this.#pool = pool;
    this.#log = log;
    this.#order = order;
    this.#lease = lease;
    this.#transaction = begunOn(lease, order);
  }

  /**
   * Leases a secured hop and checks that MAIL can go up on it; MAIL leaves with the first RCPT.
   *
   * @throws {RelayError} when no hop can be secured, or the upstream cannot take what MAIL asks for
   */
  static async begin(pool: HopPool, log: Log, order: EnvelopeOrder): Promise<Envelope> {
    const lease = await pool.lease(wantedFor(order));
    try {
      return new Envelope(pool, log, order, lease);
    } catch (error) {
      void pool.giveBack(lease);
      throw error;
    }
  }

  /** The hop that it is on now. */
  get lease(): Lease {
    return this.#lease;
  }

  /**
   * Runs up to the sending without a pause, so that what is asked for in one go leaves in one flight.
   *
   * @returns the upstream's reply, 25x, 4xx or 5xx
   * @throws {RelayError} what ends the transaction; or unknown-parameter, which ends nothing
   */
  async rcpt(argument: PathArgument): Promise<Reply> {
    let transaction = this.#transaction;
    const isGone = transaction.isUnsent && !(this.#isHeld && this.#lease.hop.isReady);
    if (isGone || this.#replacements.has(transaction)) transaction = await this.#replacementOf(transaction);
    for (;;) {
      const { capabilities } = this.#lease.hop;
      const command = rcptCommand(asReported(argument, this.#order, capabilities), capabilities);
      try {
        return await transaction.rcpt(command);
      } catch (error) {
        transaction = await this.#replacementOf(transaction, error);
      }
    }
  }

  /** Lets others have the hop while the client is silent behind MAIL, of which nothing has left. */
  lend(): void {
    const isNeeded = !this.#transaction.isUnsent || this.#replacements.has(this.#transaction);
    if (!isNeeded) void this.#release();
  }

  /** Begins the content. @throws {RelayError} */
  async data(): Promise<Body> {
    return this.#transaction.data();
  }

  /** It is over, or given up. Never fails; once more does no harm. @param failure what ended it, if one did */
  async giveBack(failure?: Failure): Promise<void> {
    this.#isOver = true;
    await this.#release(failure);
  }

  async #release(failure?: Failure): Promise<void> {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    await this.#pool.giveBack(this.#lease, failure);
  }

  /** Of several recipients that are under way the first to notice a failure replaces the hop, and the others follow. */
  #replacementOf(failed: Transaction, error?: unknown): Promise<Transaction> {
    const known = this.#replacements.get(failed);
    if (known !== undefined) return known;
    const replacement = this.#replace(failed, error);
    this.#replacements.set(failed, replacement);
    return replacement;
  }

  /** @throws the error, when the envelope can go nowhere else */
  async #replace(failed: Transaction, error: unknown): Promise<Transaction> {
    const { hop, target, isReused } = this.#lease;
    const wanted = wantedFor(this.#order);
    if (!this.#isHeld) return this.#moveTo(wanted); // it is lent
    if (failed.isUnsent || (isReused && isStaleHop(error))) {
      hop.destroy(); // it is dead, and makes room for the other
      await this.#release();
      return this.#moveTo({ ...wanted, isFresh: true });
    }
    this.#inVain.add(target);
    const others = wanted.targets.filter((other) => !this.#inVain.has(other));
    if (failed.hasRecipient || others.length === 0 || !mayDoBetterElsewhere(error)) throw error;
    await this.#release(error.failure);
    try {
      const transaction = await this.#moveTo({ ...wanted, targets: others });
      reportFailover(this.#log, target, error.failure, this.#lease);
      return transaction;
    } catch {
      throw error; // what the upstream said to MAIL tells more than that there is no other
    }
  }

  async #moveTo(wanted: Wanted): Promise<Transaction> {
    if (this.#isOver) throw abandoned();
    const fresh = await this.#pool.lease(wanted);
    if (this.#isOver) {
      void this.#pool.giveBack(fresh); // given up meanwhile: nobody else would give it back
      throw abandoned();
    }
    this.#lease = fresh;
    this.#isHeld = true;
    this.#transaction = begunOn(fresh, this.#order);
    return this.#transaction;
  }
}

function abandoned(): RelayError {
  return new RelayError({ kind: 'lost', phase: 'mail', reason: 'abandoned' });
}

function wantedFor({ requireTls, targets, argument, signal, isBackground }: EnvelopeOrder): Wanted {
  return { targets, extension: neededExtension(argument, requireTls), signal, isBackground };
}

/** @throws {RelayError} what MAIL asks for and the upstream lacks */
function begunOn({ hop }: Lease, order: EnvelopeOrder): Transaction {
  const { capabilities } = hop;
  const { requireTls } = order;
  const argument = asReported(order.argument, order, capabilities);
  return hop.mail(mailCommand(argument, capabilities, requireTls), contentRule(argument, capabilities));
}

function asReported(
  argument: PathArgument,
  { isReportedByUs = false }: EnvelopeOrder,
  capabilities: Capabilities,
): PathArgument {
  return isReportedByUs && !capabilities.has('DSN') ? withoutDsn(argument) : argument;
}

/** It is about the upstream, and may pass: MAIL was put off, or the session ended. */
function mayDoBetterElsewhere(error: unknown): error is RelayError {
  if (!(error instanceof RelayError)) return false;
  const { failure } = error;
  return failure.kind === 'lost' || (failure.kind === 'refused' && failure.reply.code < 500);
}
