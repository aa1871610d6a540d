/**
 * Secured hops that outlive their clients: one is leased for a transaction and given back after it.
 *
 * Guarantees: a hop serves only the very target it was opened for, so one made under another name, pin, policy or account
 * is never taken for it; of several targets the first that works serves.
 */
import type { Log } from '../log/log.ts';
import type { Capabilities } from '../protocol/capabilities.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import { OwnCaps, type Caps } from './caps.ts';
import type { HopLimits } from './habits.ts';
import { HopSupply, type HopCounts, type SupplySurroundings } from './hop-supply.ts';
import { mostTelling } from './most-telling.ts';
import type { HopOpener } from './open-hop.ts';
import { Pace } from './pace.ts';
import type { PooledHop } from './pooled-hop.ts';
import { reportFailover } from './report-failure.ts';
import type { Place, Target } from './target.ts';
import type { Need } from './waiting-line.ts';
import { wayText } from './way.ts';

/** How often hops are looked after. */
const TEND_MS = 1_000;

const GOING_AWAY = 'The relay is shutting down; send it again later.';

export interface Wanted extends Need {
  /** At least one, in order of preference. */
  readonly targets: readonly Target[];
  /** Only to see whether there is a hop: no message is to be sent. */
  readonly isTrial?: boolean;
}

/** A hop on loan to one transaction. */
export type Lease = PooledHop;

export class HopPool {
  /** When a hop was secured last, or served a transaction (performance.now()); undefined before the first. */
  lastSecured: number | undefined;
  /** Called when a hop to a target was secured, or has served. */
  onAlive: ((target: Target) => void) | undefined;
  readonly #around: SupplySurroundings;
  readonly #supplies = new Map<Target, HopSupply>();
  /** What each place offers, whoever logs in there; the one heard of last comes last. */
  readonly #offers = new Map<Place, Capabilities>();
  readonly #retired = new WeakSet<Target>();
  /** Those that fail, as the log was told. */
  readonly #passedOver = new WeakSet<HopSupply>();
  readonly #tending: NodeJS.Timeout;
  readonly #pace: Pace;
  readonly #closing = new AbortController();

  /** @param caps what others use the same accounts for too */
  constructor(opener: HopOpener, limits: HopLimits, log: Log, caps: Caps = new OwnCaps()) {
    const onAlive = ({ hop, target }: PooledHop): void => {
      this.#offers.delete(target.place);
      this.#offers.set(target.place, hop.capabilities);
      this.lastSecured = performance.now();
      this.onAlive?.(target);
    };
    this.#around = { opener, limits, caps, log, onAlive };
    this.#pace = new Pace(caps);
    this.#tending = setInterval(() => this.#tend(), TEND_MS).unref();
  }

  /** What the one of the targets offers that was heard of last; undefined before the first hop to any of them. */
  offerOf(targets: readonly Target[]): Capabilities | undefined {
    const places = new Set(targets.map(({ place }) => place));
    const [, offer] = [...this.#offers].findLast(([place]) => places.has(place)) ?? [];
    return offer;
  }

  /** How many hops there may be now to the one of the targets that would serve. */
  connectionsTo(targets: readonly Target[]): number {
    const supplies = targets.map((target) => this.#supplyOf(target));
    const serving = supplies.find((supply) => !supply.isSetAside) ?? supplies[0];
    return serving?.connections ?? 0;
  }

  /** Opens `limits.min` hops before anybody needs them, and keeps so many. */
  keepReady(target: Target): void {
    if (this.#closing.signal.aborted) return;
    this.#supplyOf(target).keepReady(this.#around.limits.min);
  }

  /**
   * A hop ready for MAIL. A target that fails is set aside: behind those that do not, and tried again meanwhile.
   *
   * @throws {RelayError} the failure that tells most, or capacity
   */
  async lease(wanted: Wanted): Promise<Lease> {
    if (this.#closing.signal.aborted) throw goingAway();
    const end = performance.now() + this.#around.opener.connectMs;
    const supplies = this.#inOrder(wanted.targets);
    const failures: RelayError[] = [];
    for (const [index, supply] of supplies.entries()) {
      try {
        const share = (end - performance.now()) / (supplies.length - index);
        const asked = performance.now();
        const lease = await this.#leaseInTurn(supply, wanted, Math.max(1, share));
        this.#tellLease(lease, wanted, asked);
        if (supplies.length > 1) this.#tellFailover(wanted.targets, lease);
        return lease;
      } catch (error) {
        if (!(error instanceof RelayError) || wanted.signal?.aborted === true) throw error;
        failures.push(error);
      }
    }
    throw mostTelling(failures.toReversed());
  }

  /**
   * Takes a hop back; it is recovered, kept or closed. Never fails.
   *
   * @param failure what ended the transaction, if one did
   */
  async giveBack(lease: Lease, failure?: Failure): Promise<void> {
    this.#pace.end(lease);
    await this.#supplyOf(lease.target).giveBack(lease, failure);
  }

  /**
   * Says goodbye on the hops of a target that will not be asked for again; resolves when they are gone, and with them
   * all that was known of it.
   */
  async forget(target: Target): Promise<void> {
    const supply = this.#supplies.get(target);
    await supply?.close(goingAway());
    this.#supplies.delete(target);
  }

  /**
   * Keeps no hop of a target any more, because another has taken its place. Transactions that began with it go on: they
   * may still lease hops.
   */
  retire(target: Target): void {
    this.#retired.add(target);
    this.#supplies.get(target)?.retire();
    this.lastSecured = undefined; // it may have been this one's
  }

  /** Says goodbye on all hops: on the idle ones now, on the leased ones when they are given back; waits for them all. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#tending);
    await Promise.all([...this.#supplies.values()].map(async (supply) => supply.close(goingAway())));
  }

  /** Cuts what is still leased; whoever holds it hears of the loss. @returns how many */
  kill(): number {
    const leased = this.#leased;
    for (const { hop } of leased) hop.destroy();
    return leased.length;
  }

  /** A message that another hop was leased for has had its turn. */
  async #leaseInTurn(supply: HopSupply, wanted: Wanted, budgetMs: number): Promise<Lease> {
    const { messagesPerMinute, target } = supply;
    const isExempt = wanted.isTrial === true || wanted.isFresh === true;
    if (messagesPerMinute === Infinity || isExempt) return supply.lease(wanted, budgetMs);
    const end = performance.now() + budgetMs;
    const signals = [this.#closing.signal, ...(wanted.signal === undefined ? [] : [wanted.signal])];
    const { isBackground } = wanted;
    const waiter = { patienceMs: budgetMs, signal: AbortSignal.any(signals), isBackground };
    const turn = await this.#pace.turn(target, messagesPerMinute, waiter);
    try {
      const lease = await supply.lease(wanted, Math.max(1, end - performance.now()));
      this.#pace.use(turn, lease);
      return lease;
    } catch (error) {
      turn.giveBack();
      throw error;
    }
  }

  /** Of all targets together. */
  get counts(): HopCounts {
    const sum = { idle: 0, leased: 0, opening: 0, waiting: 0 };
    for (const { counts } of this.#supplies.values())
      for (const state of ['idle', 'leased', 'opening', 'waiting'] as const) sum[state] += counts[state];
    return sum;
  }

  get #leased(): readonly PooledHop[] {
    return [...this.#supplies.values()].flatMap((supply) => [...supply.leased]);
  }

  #supplyOf(target: Target): HopSupply {
    const known = this.#supplies.get(target);
    if (known !== undefined) return known;
    const supply = new HopSupply(target, this.#around);
    if (this.#retired.has(target)) supply.retire();
    this.#supplies.set(target, supply);
    return supply;
  }

  /** @param asked performance.now() */
  #tellLease(lease: Lease, { isProbe }: Wanted, asked: number): void {
    const { log } = this.#around;
    if (lease.untold !== undefined && isProbe !== true) {
      log.emit('hop.secured', { ...lease.untold, probed: true });
      lease.untold = undefined;
    }
    const waitMs = Math.round(performance.now() - asked);
    log.emit('hop.leased', { hid: lease.hid, ...wayText(lease.way), reused: lease.isReused, waitMs });
  }

  /** Once for each time that an upstream fails, however many messages pass it over. */
  #tellFailover(targets: readonly Target[], lease: Lease): void {
    for (const target of targets) {
      const supply = this.#supplyOf(target);
      if (!supply.isSetAside) this.#passedOver.delete(supply);
      if (target === lease.target) return;
      const { lastFailure } = supply;
      if (!supply.isSetAside || lastFailure === undefined || this.#passedOver.has(supply)) continue;
      this.#passedOver.add(supply);
      reportFailover(this.#around.log, target, lastFailure, lease);
    }
  }

  #inOrder(targets: readonly Target[]): readonly HopSupply[] {
    const supplies = targets.map((target) => this.#supplyOf(target));
    const working = supplies.filter((supply) => !supply.isSetAside);
    if (working.length === supplies.length) return supplies;
    const failing = supplies.filter((supply) => supply.isSetAside);
    if (working.length > 0) for (const supply of failing) supply.probe();
    return [...working, ...failing];
  }

  #tend(): void {
    for (const [target, supply] of this.#supplies) {
      supply.tend();
      if (!supply.isEmpty || !this.#retired.has(target)) continue;
      this.#supplies.delete(target);
      this.#offers.delete(target.place);
      void supply.close(goingAway());
    }
  }
}

function goingAway(): RelayError {
  return new RelayError({ kind: 'capacity', reason: GOING_AWAY });
}
