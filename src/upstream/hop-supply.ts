/**
 * The hops to one target: idle, leased and being opened, and those who wait for one.
 *
 * Guarantees: a hop is leased to one transaction at a time; an idle hop that ends, or that the upstream speaks on
 * unasked, is never leased; whoever waits longest is served first; there are never more hops than the upstream wants; a
 * failing upstream is tried by one opening at a time, at growing intervals, and its failure is everybody's who waits.
 */
import type { Log } from '../log/log.ts';
import { RelayError } from '../protocol/failure.ts';
import { BackOff } from './back-off.ts';
import { Habits, type HopLimits } from './habits.ts';
import type { HopOpener } from './open-hop.ts';
import type { OpenHop } from './open-way.ts';
import { PooledHop } from './pooled-hop.ts';
import type { Target } from './target.ts';
import { WaitingLine, meets, type Need } from './waiting-line.ts';
import { wayText } from './way.ts';

/** Openings at once: a crowd of clients is no reason for a crowd of handshakes. */
const MAX_OPENING = 10;

/** When demand rises there is to be one hop in reserve for so many in use. */
const BUSY_FOR_ONE_AHEAD = 4;

const TOO_MANY = 'The relay has too many transactions under way; send it again later.';

/** What all supplies share. */
export interface SupplySurroundings {
  readonly opener: HopOpener;
  readonly limits: HopLimits;
  readonly log: Log;
  /** Called with a hop that was secured, or has just served. */
  readonly onAlive: (hop: PooledHop) => void;
}

export class HopSupply {
  readonly #target: Target;
  readonly #around: SupplySurroundings;
  readonly #habits: Habits;
  readonly #backOff = new BackOff();
  /** Used last comes last. */
  readonly #idle: PooledHop[] = [];
  readonly #leased = new Set<PooledHop>();
  readonly #waiting = new WaitingLine();
  #opening = 0;
  /** Hops to hold though nobody needs them. */
  #min = 0;
  /** Idle hops that rising demand asks for. */
  #ahead = 0;
  /** How long an opening may take; undefined for the opener's own measure. */
  #budgetMs: number | undefined;
  #lastError: RelayError | undefined;
  #restTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(target: Target, around: SupplySurroundings) {
    this.#target = target;
    this.#around = around;
    this.#habits = new Habits(around.limits);
  }

  /** Whether the newest try failed. */
  get isFailing(): boolean {
    return this.#backOff.isFailing;
  }

  get leased(): ReadonlySet<PooledHop> {
    return this.#leased;
  }

  /**
   * A hop ready for MAIL: the idle one that was used last, or one that is given back or opened meanwhile.
   *
   * @param budgetMs how long it may take
   * @throws {RelayError} why there is none: the failure of the newest try, or capacity
   */
  async lease(need: Need, budgetMs: number): Promise<PooledHop> {
    const idle = this.#takeIdle(need);
    if (idle !== undefined) return idle;
    this.#budgetMs = budgetMs;
    const waiting = this.#waiting.join(need, budgetMs, () => this.#lastError ?? tooMany());
    this.#ahead = Math.floor(this.#leased.size / BUSY_FOR_ONE_AHEAD);
    this.#makeRoom();
    this.#openMore();
    return waiting;
  }

  /** Takes a hop back; it is recovered, kept or closed. Never fails. */
  async giveBack(hop: PooledHop): Promise<void> {
    const isUsable = hop.hop.isReady || (await hop.hop.recover());
    this.#leased.delete(hop);
    if (isUsable) {
      hop.isReused = true;
      this.#around.onAlive(hop);
      this.#settle(hop);
    }
    this.#openMore();
  }

  /** Holds so many hops ready from now on. */
  keepReady(min: number): void {
    this.#min = min;
    this.#openMore();
  }

  /** Tries a failing upstream again, if it is time to. */
  probe(): void {
    if (this.#opening === 0 && this.#hasRoom && this.#backOff.restMs(true) === 0) this.#open();
  }

  /** To be called once in a while: lets hops go that are old or long idle, keeps those alive that are to stay. */
  tend(): void {
    let spare = this.#size - this.#min;
    const idle = [...this.#idle];
    for (const hop of idle) {
      const isStale = hop.idleMs >= this.#habits.idleMs;
      if (this.#isWorn(hop) || (isStale && spare > 0)) {
        spare -= 1;
        this.#retire(hop);
      } else if (isStale) void this.#keepAlive(hop);
    }
    this.#ahead = 0;
    this.#openMore();
  }

  /** Says goodbye on the idle hops; leased ones go when they are given back. Nobody gets one any more. */
  async close(why: RelayError): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restTimer);
    this.#waiting.dissolve(why);
    await Promise.all(this.#idle.splice(0).map(async ({ hop }) => hop.quit()));
  }

  get #size(): number {
    return this.#idle.length + this.#leased.size + this.#opening;
  }

  get #hasRoom(): boolean {
    return this.#size < this.#habits.connections;
  }

  #isWorn(hop: PooledHop): boolean {
    return hop.isWorn(this.#habits.messages);
  }

  #takeIdle(need: Need): PooledHop | undefined {
    const at = this.#idle.findLastIndex((hop) => hop.hop.isReady && meets(hop, need));
    const [found] = at < 0 ? [] : this.#idle.splice(at, 1);
    if (found !== undefined) this.#leased.add(found);
    return found;
  }

  /** An idle hop that nobody can use stands in the way where there may be no more. */
  #makeRoom(): void {
    const [oldest] = this.#idle;
    if (oldest !== undefined && !this.#hasRoom) this.#retire(oldest);
  }

  /** Opens what is waited for, what demand asks for and what is to be ready; as far as it may. */
  #openMore(): void {
    if (this.#isClosed) return;
    const isAwaited = this.#waiting.length > 0;
    const spare = Math.max(
      this.#ahead - this.#idle.length,
      this.#min - this.#idle.length - this.#leased.size,
      0,
    );
    const wanted = Math.min(this.#waiting.length + spare, this.isFailing ? 1 : MAX_OPENING);
    const restMs = this.#backOff.restMs(isAwaited);
    if (restMs > 0) return this.#openAfter(restMs, isAwaited);
    while (this.#opening < wanted && this.#hasRoom) this.#open();
  }

  /** Where nobody waits, `tend` sees to it. */
  #openAfter(restMs: number, isAwaited: boolean): void {
    if (!isAwaited || this.#opening > 0) return;
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.#openMore(), restMs);
  }

  #open(): void {
    this.#opening += 1;
    const begun = performance.now();
    void this.#around.opener
      .open(this.#target, this.#budgetMs)
      .finally(() => (this.#opening -= 1))
      .then(
        (opened) => this.#succeeded(opened),
        (error: unknown) => this.#failed(error, begun),
      );
  }

  #succeeded(opened: OpenHop): void {
    this.#backOff.succeeded();
    this.#lastError = undefined;
    this.#habits.opened(opened.hop.capabilities);
    const hop = new PooledHop(opened, this.#around.limits.maxAgeMs);
    opened.hop.onEnd = (reason) => this.#ended(hop, reason);
    this.#around.onAlive(hop);
    if (this.#waiting.disappoint(hop) && this.#waiting.length === 0) void opened.hop.quit();
    else this.#settle(hop);
    this.#openMore();
  }

  #failed(error: unknown, begun: number): void {
    if (!(error instanceof RelayError)) return this.#waiting.dissolve(error);
    this.#lastError = error;
    // It wants no more sessions than it has: whoever waits gets one of those.
    if (isSessionTooMany(error) && this.#leased.size > 0)
      return this.#habits.refusedBeyond(this.#size - this.#opening);
    this.#backOff.failed(begun);
    if (this.#opening === 0) this.#waiting.dissolve(error); // else another may do better
  }

  /** A hop that is free: for whoever waits, else it stays. */
  #settle(hop: PooledHop): void {
    if (this.#isClosed || this.#isWorn(hop)) return void hop.hop.quit();
    if (this.#waiting.serve(hop)) return void this.#leased.add(hop);
    hop.rest();
    this.#idle.push(hop);
  }

  /** NOOP shows both sides that the other is there. */
  async #keepAlive(hop: PooledHop): Promise<void> {
    this.#takeOut(hop);
    this.#leased.add(hop);
    if (!(await hop.hop.noop())) hop.hop.destroy();
    await this.giveBack(hop);
  }

  #retire(hop: PooledHop): void {
    this.#takeOut(hop);
    void hop.hop.quit();
  }

  /** @returns whether it was idle */
  #takeOut(hop: PooledHop): boolean {
    const at = this.#idle.indexOf(hop);
    if (at >= 0) this.#idle.splice(at, 1);
    return at >= 0;
  }

  #ended(hop: PooledHop, reason: string): void {
    if (this.#takeOut(hop)) this.#habits.endedAfter(hop.idleMs);
    const { hid, way, ageMs } = hop;
    const { transactions } = hop.hop;
    this.#around.log.emit('hop.closed', { hid, ...wayText(way), transactions, reason, ms: ageMs });
  }
}

/** A refusal of the session that may pass (RFC 5321 §4.2.1): most often that there are too many, some say so at AUTH. */
function isSessionTooMany({ failure }: RelayError): boolean {
  if (failure.kind !== 'session-refused' && failure.kind !== 'auth') return false;
  return failure.reply !== undefined && failure.reply.code < 500;
}

function tooMany(): RelayError {
  return new RelayError({ kind: 'capacity', reason: TOO_MANY });
}
