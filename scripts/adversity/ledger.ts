/**
 * What clients were told of each recipient of each message, and what the upstream has of it.
 *
 * Guarantees: nothing is taken from the relay's word: both sides write here themselves.
 */
import { CLAIM_MS } from '../../src/spool/spool-store.ts';

/** What the client knows at the end. */
export type Told =
  /** 250 after the content: the client may forget the message. */
  | 'acknowledged'
  /** Refused, and the reply does not say that it may have been delivered. */
  | 'refused'
  /** Refused with words that say so, or no reply at all. */
  | 'unknown';

interface Delivery {
  readonly at: number;
  /** The upstream said 250, so far as it knows. */
  readonly isConfirmed: boolean;
  /** The life of a relay that it came from, by the name in its EHLO; undefined when nobody asks. */
  readonly by: string | undefined;
}

interface Entry {
  told: Told | undefined;
  /** Its sender was told that it was not delivered. */
  isReturned: boolean;
  readonly deliveries: Delivery[];
}

interface Span {
  readonly from: number;
  until: number;
}

/** Why nobody could know that a delivery had been one. */
type Doubt =
  /** The upstream did not say so. */
  | 'unconfirmed'
  /** Who had delivered it was killed before it could note it. */
  | 'killed'
  /** The database was away for longer than a claim lasts: who had delivered it could not note it, and lost it to another. */
  | 'claim lost';

export interface Account {
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly delivered: number;
  /** The sender got a report that it failed. */
  readonly returned: number;
  /** Acknowledged, and neither delivered nor returned nor in the spool. */
  readonly lost: readonly string[];
  /** Refused for sure, or returned, and delivered; or refused for sure, and returned. */
  readonly contradicted: readonly string[];
  /** Delivered more often than once, and each time but the last the outcome was unknown to the relay. */
  readonly doubled: number;
  /** Of these: for a claim that an outage of the database ended. */
  readonly doubledByOutage: number;
  /** The same, and the relay could have known. */
  readonly doubledWithoutNeed: readonly string[];
}

/** Who was killed so soon after a delivery may not have got as far as to note it. */
const NOTED_MS = 1_000;

/** Who could not note it in the database tries again so soon after that is back. */
const TRIED_AGAIN_MS = 8_000;

/** A claim was renewed some time before the outage, and is some time after it: one that is shorter by that ends it too. */
const CLAIM_ENDS_MS = CLAIM_MS / 2;

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  /** By the name of the life that ended. */
  readonly #kills = new Map<string, number>();
  readonly #outages: Span[] = [];

  tell(recipient: string, told: Told): void {
    this.#entry(recipient).told = told;
  }

  /** @param by the life of a relay */
  deliver(recipient: string, isConfirmed: boolean, by?: string): void {
    this.#entry(recipient).deliveries.push({ at: performance.now(), isConfirmed, by });
  }

  /** A report reached the sender. */
  giveBack(recipient: string): void {
    this.#entry(recipient).isReturned = true;
  }

  /** @param life of a relay, which has no other name than this */
  kill(life: string): void {
    this.#kills.set(life, performance.now());
  }

  /** The database goes away. @returns to be called when it is back */
  outage(): () => void {
    const span = { from: performance.now(), until: Infinity };
    this.#outages.push(span);
    return () => void (span.until = performance.now());
  }

  /** Acknowledged, and neither delivered nor returned yet. */
  get outstanding(): readonly string[] {
    return this.#where(
      ({ told, isReturned, deliveries }) => told === 'acknowledged' && !isReturned && deliveries.length === 0,
    );
  }

  /** @param spooled what lies in the spool still */
  account(spooled: ReadonlySet<string> = new Set()): Account {
    const told = (wanted: Told): number => this.#where((entry) => entry.told === wanted).length;
    const doubled = this.#where(({ deliveries }) => deliveries.length > 1);
    const doubledWithoutNeed = this.#where((entry) => this.#doubts(entry).includes(undefined));
    const doubledByOutage = this.#where((entry) => this.#doubts(entry).includes('claim lost'));
    return {
      acknowledged: told('acknowledged'),
      refused: told('refused'),
      unknown: told('unknown'),
      delivered: this.#where(({ deliveries }) => deliveries.length > 0).length,
      lost: this.outstanding.filter((recipient) => !spooled.has(recipient)),
      returned: this.#where(({ isReturned }) => isReturned).length,
      contradicted: this.#where((entry) => this.#isContradicted(entry)).map((one) => this.#story(one)),
      doubled: doubled.length - doubledWithoutNeed.length,
      doubledByOutage: doubledByOutage.length,
      doubledWithoutNeed: doubledWithoutNeed.map((recipient) => this.#story(recipient)),
    };
  }

  #isContradicted({ told, isReturned, deliveries }: Entry): boolean {
    if (told === 'refused') return isReturned || deliveries.length > 0;
    return isReturned && deliveries.some((delivery) => this.#doubt(delivery) === undefined);
  }

  /** For who wants to find it in the logs. */
  #story(recipient: string): string {
    const deliveries = this.#entry(recipient).deliveries.map(({ at, by = '' }) => {
      return `${by} ${new Date(performance.timeOrigin + at).toISOString()}`;
    });
    return `${recipient} (${deliveries.join(', ')})`;
  }

  /** Of each delivery but the last. */
  #doubts({ deliveries }: Entry): readonly (Doubt | undefined)[] {
    return deliveries.slice(0, -1).map((delivery, index) => this.#doubt(delivery, deliveries[index + 1]?.at));
  }

  /** @param nextAt when it was delivered again */
  #doubt({ at, isConfirmed, by }: Delivery, nextAt = Infinity): Doubt | undefined {
    if (!isConfirmed) return 'unconfirmed';
    const outages = this.#outages.filter(
      ({ from, until }) => from < at + NOTED_MS && until + TRIED_AGAIN_MS > at,
    );
    const notedAt = Math.max(at, ...outages.map(({ until }) => until + TRIED_AGAIN_MS)) + NOTED_MS;
    const end = Math.min(nextAt, notedAt);
    // What it had sent may have arrived after its end.
    const killedAt = this.#kills.get(by ?? '');
    if (killedAt !== undefined && killedAt < end) return 'killed';
    return outages.some(({ from, until }) => until - from > CLAIM_ENDS_MS) ? 'claim lost' : undefined;
  }

  #where(isMeant: (entry: Entry) => boolean): readonly string[] {
    return [...this.#entries].filter(([, entry]) => isMeant(entry)).map(([recipient]) => recipient);
  }

  #entry(recipient: string): Entry {
    const found = this.#entries.get(recipient) ?? { told: undefined, isReturned: false, deliveries: [] };
    this.#entries.set(recipient, found);
    return found;
  }
}

export function isClean({ lost, contradicted, doubledWithoutNeed }: Account): boolean {
  return lost.length === 0 && contradicted.length === 0 && doubledWithoutNeed.length === 0;
}
