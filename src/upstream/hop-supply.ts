/**
 * The hops to one target: idle, leased and being opened, and those who wait for one.
 *
 * Guarantees: a hop is leased to one transaction at a time; an idle hop that ends, or that the upstream speaks on
 * unasked, is never leased; whoever waits longest is served first; there are never more hops than the upstream wants; a
 * failing upstream is tried by one opening at a time, at growing intervals, and its failure is everybody's who waits.
 */
import type { Log } from '../log/log.ts';
import { RelayError, type Extension, type Failure } from '../protocol/failure.ts';
import { accountKey } from './account-key.ts';
import { BackOff } from './back-off.ts';
import type { Caps, ConnectionShare, Demand } from './caps.ts';
import { refusesMessageBesideOthers, refusesSession } from './crowding.ts';
import { isPassing, isRefusedLogin } from './failed-opening.ts';
import { Habits, within, type HopLimits } from './habits.ts';
import { isOurs, isPolite } from './hop-ending.ts';
import type { HopOpener } from './open-hop.ts';
import type { OpenHop } from './open-way.ts';
import { PooledHop } from './pooled-hop.ts';
import type { Target } from './target.ts';
import { WaitingLine, meets, type Need } from './waiting-line.ts';
import { wayText } from './way.ts';

/** Openings at once: a crowd of clients is no reason for a crowd of handshakes. */
const MAX_OPENING = 10;

/** A hop that has stood so long proves that the upstream keeps its sessions. */
const PROVEN_MS = 5_000;

/** How often a hop that is to stay says something; less than a server's patience, and than health's memory. */
const KEEP_ALIVE_MS = 45_000;

/** Who would have to wait longer for the next try is answered at once. */
const PATIENCE_MS = 5_000;

/** When demand rises there is to be one hop in reserve for so many in use. */
const BUSY_FOR_ONE_AHEAD = 4;

const TOO_MANY = 'The relay has too many transactions under way; send it again later.';

/** What all supplies share. */
export interface SupplySurroundings {
  readonly opener: HopOpener;
  readonly limits: HopLimits;
  readonly caps: Caps;
  readonly log: Log;
  /** Called with a hop that was secured, or has just served. */
  readonly onAlive: (hop: PooledHop) => void;
}

export interface HopCounts {
  readonly idle: number;
  readonly leased: number;
  readonly opening: number;
  /** Transactions that wait for one. */
  readonly waiting: number;
}

export class HopSupply implements Demand {
  readonly target: Target;
  readonly #around: SupplySurroundings;
  readonly #limits: HopLimits;
  readonly #habits: Habits;
  /** Of the connections that the account allows. */
  readonly #share: ConnectionShare;
  readonly #backOff = new BackOff();
  /** Used last comes last. */
  readonly #idle: PooledHop[] = [];
  readonly #leased = new Set<PooledHop>();
  /** Hops that were told QUIT: the upstream may count them still. */
  readonly #leaving = new Set<PooledHop>();
  readonly #waiting = new WaitingLine();
  #opening = 0;
  #hasOpened = false;
  /** Hops to hold though nobody needs them. */
  #min = 0;
  /** Idle hops that rising demand asks for. */
  #ahead = 0;
  /** How long an opening may take; undefined for the opener's own measure. */
  #budgetMs: number | undefined;
  #lastError: RelayError | undefined;
  #restTimer: NodeJS.Timeout | undefined;
  #isRetired = false;
  #closed: { readonly why: RelayError; readonly whenEmpty: PromiseWithResolvers<void> } | undefined;

  constructor(target: Target, around: SupplySurroundings) {
    this.target = target;
    this.#around = around;
    this.#limits = within(around.limits, target.caps);
    this.#habits = new Habits(this.#limits);
    this.#share = around.caps.shareConnections(accountKey(target), this.#limits.max, this);
  }

  /** Hops that there are: the upstream may count those that were told QUIT. */
  get held(): number {
    return this.#size + this.#leaving.size;
  }

  /** Hops that there may be now. */
  get connections(): number {
    return Math.min(this.#habits.connections, this.#share.bound);
  }

  /** Hops that there is use for. */
  get wanted(): number {
    return this.#leased.size + this.#waiting.length + this.#spare;
  }

  /** Others need hops, or need them no more. */
  shareChanged(): void {
    this.#leaveIdle(Math.max(0, this.#size - this.#share.bound));
    this.#openMore();
  }

  /** Whether the newest try failed, nothing has shown since that the upstream is well, and no hop is left. */
  get isSetAside(): boolean {
    return this.#backOff.isFailing && this.#idle.length === 0;
  }

  /** Of the newest try; undefined when that went well. */
  get lastFailure(): Failure | undefined {
    return this.#lastError?.failure;
  }

  get leased(): ReadonlySet<PooledHop> {
    return this.#leased;
  }

  /** How many messages may begin in any minute. */
  get messagesPerMinute(): number {
    return this.#limits.messagesPerMinute;
  }

  get counts(): HopCounts {
    const [idle, leased, opening] = [this.#idle.length, this.#leased.size, this.#opening];
    return { idle, leased, opening, waiting: this.#waiting.length };
  }

  /** Whether nobody has, or waits for, a hop of it. */
  get isEmpty(): boolean {
    return this.held + this.#waiting.length === 0;
  }

  /**
   * A hop ready for MAIL: the idle one that was used last, or one that is given back or opened meanwhile.
   *
   * @param budgetMs how long it may take
   * @throws {RelayError} why there is none: the failure of the newest try, unsupported, or capacity
   */
  async lease(need: Need, budgetMs: number): Promise<PooledHop> {
    if (this.#closed !== undefined) throw this.#closed.why;
    const idle = this.#takeIdle(need);
    if (idle !== undefined) return idle;
    if (need.extension !== undefined) this.#expectOffered(need.extension);
    this.#budgetMs = budgetMs;
    const waiting = this.#waiting.join(need, budgetMs, () => this.#lastError ?? tooMany());
    this.#ahead = Math.floor(this.#leased.size / BUSY_FOR_ONE_AHEAD);
    this.#openMore();
    return waiting;
  }

  /**
   * Takes a hop back; it is recovered, kept or closed. Never fails; once more does no harm.
   *
   * @param failure what ended the transaction, if one did
   */
  async giveBack(hop: PooledHop, failure?: Failure): Promise<void> {
    if (!this.#leased.has(hop) || hop.isReturning) return;
    if (failure !== undefined && refusesMessageBesideOthers(failure)) this.#crowded();
    hop.isReturning = true;
    const isUsable = hop.hop.isReady || (await hop.hop.recover());
    hop.isReturning = false;
    this.#leased.delete(hop);
    if (isUsable) {
      hop.isReused = true;
      this.#served(hop);
      this.#settle(hop);
    }
    this.#openMore();
    this.#tellEmpty();
  }

  /** Holds so many hops ready from now on. */
  keepReady(min: number): void {
    this.#min = min;
    this.#openMore();
  }

  /** Tries a failing upstream again, if it is time to. */
  probe(): void {
    const isDue = this.#opening === 0 && this.#idle.length === 0 && this.#backOff.restMs(false) === 0;
    if (isDue && this.#hasRoom) this.#open();
  }

  /** To be called once in a while: lets hops go that are old or long idle, keeps those alive that are to stay. */
  tend(): void {
    const surplus = this.#size - this.#min;
    const keepAliveMs = Math.min(this.#habits.idleMs, KEEP_ALIVE_MS);
    const idle = [...this.#idle];
    for (const [index, hop] of idle.entries()) {
      const { idleMs, ageMs, openedAt } = hop;
      if (ageMs >= PROVEN_MS) this.#backOff.proven(openedAt);
      const isSurplus = index < surplus;
      if (this.#isWorn(hop) || (isSurplus && idleMs >= this.#habits.idleMs)) this.#leave(hop);
      else if (!isSurplus && idleMs >= keepAliveMs) void this.#keepAlive(hop);
    }
    this.#ahead = 0;
    this.#openMore();
  }

  /** Keeps no hop from now on; whoever waits, or comes all the same, gets one that is said goodbye to afterwards. */
  retire(): void {
    this.#isRetired = true;
    this.#leaveIdle();
  }

  /** Says goodbye on the idle hops now, on leased ones when they are given back; resolves when all are gone. */
  async close(why: RelayError): Promise<void> {
    const whenEmpty = Promise.withResolvers<void>();
    this.#closed = { why, whenEmpty };
    clearTimeout(this.#restTimer);
    this.#waiting.dissolve(why);
    this.#leaveIdle();
    this.#tellEmpty();
    await whenEmpty.promise;
    this.#share.end();
  }

  get #openNow(): number {
    return this.#idle.length + this.#leased.size;
  }

  get #size(): number {
    return this.#openNow + this.#opening;
  }

  get #hasRoom(): boolean {
    return this.held < this.connections;
  }

  /** Hops to open though nobody waits; a failing upstream gets none beside the one that is to prove itself. */
  get #spare(): number {
    if (this.#isRetired) return 0;
    if (this.#backOff.isFailing && this.#openNow > 0) return 0;
    return Math.max(this.#ahead - this.#idle.length, this.#min - this.#openNow, 0);
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

  /** What the hops that are open lack, one more would lack. @throws {RelayError} unsupported */
  #expectOffered(extension: Extension): void {
    const open = [...this.#idle, ...this.#leased];
    if (open.length === 0 || open.some((hop) => hop.offers(extension))) return;
    throw new RelayError({ kind: 'unsupported', extension });
  }

  /** Opens what is waited for, what demand asks for and what is to be ready; as far as it may. */
  #openMore(): void {
    const isAwaited = this.#waiting.length > 0;
    const restMs = this.#backOff.restMs(isAwaited);
    if (this.#closed !== undefined) return;
    if (restMs > 0) return this.#openAfter(restMs);
    const isDoubtful = this.#backOff.isFailing || !this.#hasOpened;
    const wanted = Math.min(this.#waiting.length + this.#spare, isDoubtful ? 1 : MAX_OPENING);
    while (this.#opening < wanted && this.#hasRoom) this.#open();
    if (this.#opening < wanted) this.#share.hurry();
    this.#makeRoom();
  }

  /** An idle hop that does for nobody who waits stands in the way where there may be no more. */
  #makeRoom(): void {
    const [oldest] = this.#idle;
    const isFull = this.#waiting.length > this.#leaving.size && !this.#hasRoom;
    if (oldest !== undefined && isFull) this.#leave(oldest);
  }

  /** Where nobody waits, `tend` sees to it. */
  #openAfter(restMs: number): void {
    if (this.#waiting.length === 0 || this.#opening > 0) return;
    if (restMs > PATIENCE_MS && this.#leased.size === 0) return this.#waiting.dissolve(this.#lastError);
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.#openMore(), restMs);
  }

  #open(): void {
    this.#opening += 1;
    const begun = performance.now();
    const isProbe = this.#waiting.isProbing && this.#spare === 0;
    void this.#around.opener.open(this.target, { budgetMs: this.#budgetMs, isProbe }).then(
      (opened) => this.#succeeded(opened, begun),
      (error: unknown) => this.#failed(error, begun),
    );
  }

  #succeeded(opened: OpenHop, begun: number): void {
    this.#opening -= 1;
    this.#hasOpened = true;
    this.#backOff.opened(begun);
    this.#lastError = undefined;
    const hop = new PooledHop(opened, this.#limits.maxAgeMs);
    this.#habits.opened(opened.hop.capabilities, this.#openNow + 1);
    opened.hop.onEnd = (reason) => this.#ended(hop, reason, begun);
    this.#around.onAlive(hop);
    this.#waiting.disappoint(hop);
    this.#settle(hop);
    this.#openMore();
  }

  #failed(error: unknown, begun: number): void {
    this.#opening -= 1;
    if (!(error instanceof RelayError)) return this.#broken(error, begun);
    this.#lastError = error;
    if (refusesSession(error.failure) && this.#openNow > 0) this.#habits.refusedBeyond(this.#openNow);
    else {
      this.#backOff.failed(begun, isRefusedLogin(error.failure));
      // Another opening may do better, and so may a hop in use, unless new ones are insecure or not let in.
      const hasHope = this.#opening > 0 || (this.#leased.size > 0 && isPassing(error.failure));
      if (!hasHope) this.#waiting.dissolve(error);
    }
    this.#openMore();
  }

  /** This many hops at once were one too many. Idle ones may be what is counted, so they go; at least one hop stays. */
  #crowded(): void {
    this.#habits.refusedBeyond(Math.max(1, this.#leased.size - 1));
    this.#leaveIdle();
  }

  /** A mistake of ours: somebody must hear of it. */
  #broken(error: unknown, begun: number): void {
    this.#backOff.failed(begun);
    if (this.#waiting.length === 0) throw error;
    this.#waiting.dissolve(error);
  }

  /** A hop that is free: for whoever waits, else it stays. */
  #settle(hop: PooledHop): void {
    const isTooMany = this.#openNow >= this.connections;
    if (this.#closed !== undefined || this.#isWorn(hop) || isTooMany) return this.#leave(hop);
    if (this.#waiting.serve(hop)) return void this.#leased.add(hop);
    if (this.#isRetired) return this.#leave(hop);
    hop.rest();
    this.#idle.push(hop);
  }

  #served(hop: PooledHop): void {
    this.#around.onAlive(hop);
    if (hop.hop.transactions === 0) return;
    this.#backOff.proven(hop.openedAt);
  }

  /** NOOP shows both sides that the other is there. */
  async #keepAlive(hop: PooledHop): Promise<void> {
    this.#takeOut(hop);
    this.#leased.add(hop);
    if (!(await hop.hop.noop())) hop.hop.destroy();
    await this.giveBack(hop);
  }

  #leave(hop: PooledHop): void {
    this.#takeOut(hop);
    this.#leaving.add(hop);
    void hop.hop.quit().finally(() => {
      this.#leaving.delete(hop);
      this.#share.hurry();
      this.#openMore();
      this.#tellEmpty();
    });
  }

  /** On those that have been idle for longest. */
  #leaveIdle(count?: number): void {
    for (const hop of this.#idle.slice(0, count)) this.#leave(hop);
  }

  #tellEmpty(): void {
    if (this.#leased.size === 0 && this.#leaving.size === 0) this.#closed?.whenEmpty.resolve();
  }

  /** @returns whether it was idle */
  #takeOut(hop: PooledHop): boolean {
    const at = this.#idle.indexOf(hop);
    if (at >= 0) this.#idle.splice(at, 1);
    return at >= 0;
  }

  /** @param begun when its opening began */
  #ended(hop: PooledHop, reason: string, begun: number): void {
    // Let in and thrown out again; what it says to MAIL may be about the sender.
    const isUnproven = hop.hop.transactions === 0 && hop.ageMs < PROVEN_MS;
    if (!isOurs(reason) && isUnproven) this.#backOff.failed(begun);
    if (this.#takeOut(hop) && isPolite(reason)) this.#habits.endedAfter(hop.idleMs);
    const { hid, way, ageMs } = hop;
    const { transactions } = hop.hop;
    this.#around.log.emit('hop.closed', { hid, ...wayText(way), transactions, reason, ms: ageMs });
  }
}

function tooMany(): RelayError {
  return new RelayError({ kind: 'capacity', reason: TOO_MANY });
}
