/**
 * Secured hops that outlive their clients: one is leased for a transaction and given back after it.
 *
 * Guarantees: a hop is leased to one transaction at a time; an idle hop that ends, or that the upstream speaks on
 * unasked, is never leased; a hop serves only the very target it was opened for, so one made under another name, pin,
 * policy or account is never taken for it.
 */
import type { Log } from '../log/log.ts';
import { RelayError, type Extension } from '../protocol/failure.ts';
import type { Capabilities } from '../protocol/capabilities.ts';
import type { HopOpener } from './open-hop.ts';
import type { OpenHop } from './open-way.ts';
import type { Target } from './target.ts';
import { wayText } from './way.ts';

/** Servers drop idle sessions after five minutes (RFC 5321 §4.5.3.2.7), some sooner. */
const IDLE_MS = 60_000;

/** More than this many idle hops are not kept: providers count connections. */
const MAX_IDLE = 20;

/**
 * Transactions at once. Far more than providers allow; the bound is for mail that goes round in a circle through another
 * host, which shows at RCPT already, before there is a header to count hops in.
 */
const MAX_LEASED = 1_000;

const GOING_AWAY = 'The relay is shutting down; send it again later.';
const TOO_MANY = 'The relay has too many transactions under way; send it again later.';

/** What a transaction needs of its hop. */
export interface Wanted {
  /** In order of preference. */
  readonly targets: readonly Target[];
  /** What the upstream must offer. */
  readonly extension?: Extension | undefined;
}

export interface Lease extends OpenHop {
  /** Whether the hop served somebody before: its connection may have died unnoticed. */
  readonly isReused: boolean;
}

interface Idle {
  readonly leased: OpenHop;
  readonly timer: NodeJS.Timeout;
}

export class HopPool {
  /** What the hop secured last offers; undefined before the first. */
  lastCapabilities: Capabilities | undefined;
  /** When a hop was secured last, or served a transaction (performance.now()); undefined before the first. */
  lastSecured: number | undefined;
  readonly #opener: HopOpener;
  readonly #log: Log;
  readonly #idle: Idle[] = [];
  readonly #leased = new Set<OpenHop>();
  #opening = 0;
  #whenIdle: (() => void)[] = [];
  #isClosed = false;

  constructor(opener: HopOpener, log: Log) {
    this.#opener = opener;
    this.#log = log;
  }

  /**
   * A hop ready for MAIL: the idle one of the best target, used last; or a new one.
   *
   * @throws {RelayError} capacity, or what the opener throws
   */
  async lease(wanted: Wanted): Promise<Lease> {
    for (;;) {
      const idle = this.#takeIdle(wanted);
      if (idle === undefined) return this.leaseNew(wanted);
      if (idle.hop.isReady) return this.#lend({ ...idle, isReused: true });
      idle.hop.destroy();
    }
  }

  /**
   * A new hop, whatever is idle: for a transaction whose reused hop was found dead.
   *
   * @throws {RelayError} as `lease`
   */
  async leaseNew({ targets, extension }: Wanted): Promise<Lease> {
    if (this.#isClosed) throw new RelayError({ kind: 'capacity', reason: GOING_AWAY });
    if (this.#leased.size + this.#opening >= MAX_LEASED)
      throw new RelayError({ kind: 'capacity', reason: TOO_MANY });
    const began = performance.now();
    this.#opening += 1;
    try {
      const opened = await this.#opener.open(targets, extension);
      this.lastCapabilities = opened.hop.capabilities;
      this.lastSecured = performance.now();
      opened.hop.onEnd = (reason) => this.#closed(opened, reason, began);
      return this.#lend({ ...opened, isReused: false });
    } finally {
      this.#opening -= 1;
    }
  }

  /** Takes a hop back; it is recovered, kept or closed. Never fails. */
  async giveBack(leased: Lease): Promise<void> {
    let isUsable = false;
    try {
      isUsable = await leased.hop.recover();
    } finally {
      this.#leased.delete(leased);
      if (isUsable) {
        this.lastSecured = performance.now();
        this.#keep(leased);
      }
      if (this.#leased.size === 0) for (const wake of this.#whenIdle.splice(0)) wake();
    }
  }

  /** Says goodbye on all hops: on the idle ones now, on the leased ones when they are given back; waits for them all. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const idle = this.#idle.splice(0);
    for (const { timer } of idle) clearTimeout(timer);
    await Promise.all(idle.map(async ({ leased }) => leased.hop.quit()));
    if (this.#leased.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Cuts what is still leased; whoever holds it hears of the loss. @returns how many */
  kill(): number {
    for (const { hop } of this.#leased) hop.destroy();
    return this.#leased.size;
  }

  #takeIdle({ targets, extension }: Wanted): OpenHop | undefined {
    for (const target of targets) {
      const at = this.#idle.findLastIndex(
        ({ leased }) =>
          leased.target === target && (extension === undefined || leased.hop.capabilities.has(extension)),
      );
      const [found] = at < 0 ? [] : this.#idle.splice(at, 1);
      if (found === undefined) continue;
      clearTimeout(found.timer);
      return found.leased;
    }
    return undefined;
  }

  #lend(lease: Lease): Lease {
    this.#leased.add(lease);
    return lease;
  }

  #keep(leased: OpenHop): void {
    if (this.#isClosed || this.#idle.length >= MAX_IDLE) return void leased.hop.quit();
    const timer = setTimeout(() => this.#retire(leased), IDLE_MS).unref();
    this.#idle.push({ leased, timer });
  }

  #retire(leased: OpenHop): void {
    const at = this.#idle.findIndex((idle) => idle.leased === leased);
    if (at >= 0) this.#idle.splice(at, 1);
    void leased.hop.quit();
  }

  #closed(opened: OpenHop, reason: string, began: number): void {
    const { hid, way, hop } = opened;
    this.#log.emit('hop.closed', {
      hid,
      ...wayText(way),
      transactions: hop.transactions,
      reason,
      ms: Math.round(performance.now() - began),
    });
  }
}
