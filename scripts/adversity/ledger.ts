/**
 * What clients were told of each recipient of each message, and what the upstream has of it.
 *
 * Guarantees: nothing is taken from the relay's word: both sides write here themselves.
 */
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
}

interface Entry {
  told: Told | undefined;
  readonly deliveries: Delivery[];
}

export interface Account {
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly delivered: number;
  /** Acknowledged, and neither delivered nor in the spool. */
  readonly lost: readonly string[];
  /** Refused for sure, and delivered. */
  readonly contradicted: readonly string[];
  /** Delivered more often than once, and each time but the last the outcome was unknown to the relay. */
  readonly doubled: number;
  /** The same, and the relay could have known. */
  readonly doubledWithoutNeed: readonly string[];
}

/** Who was killed so soon after a delivery may not have got as far as to note it. */
const NOTED_MS = 1_000;

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #kills: number[] = [];

  tell(recipient: string, told: Told): void {
    this.#entry(recipient).told = told;
  }

  deliver(recipient: string, isConfirmed: boolean): void {
    this.#entry(recipient).deliveries.push({ at: performance.now(), isConfirmed });
  }

  kill(): void {
    this.#kills.push(performance.now());
  }

  /** Acknowledged and not delivered yet. */
  get outstanding(): readonly string[] {
    return this.#where(({ told, deliveries }) => told === 'acknowledged' && deliveries.length === 0);
  }

  /** @param spooled what lies in the spool still */
  account(spooled: ReadonlySet<string> = new Set()): Account {
    const told = (wanted: Told): number => this.#where((entry) => entry.told === wanted).length;
    const doubled = this.#where(({ deliveries }) => deliveries.length > 1);
    const doubledWithoutNeed = this.#where((entry) => !this.#isExplained(entry));
    return {
      acknowledged: told('acknowledged'),
      refused: told('refused'),
      unknown: told('unknown'),
      delivered: this.#where(({ deliveries }) => deliveries.length > 0).length,
      lost: this.outstanding.filter((recipient) => !spooled.has(recipient)),
      contradicted: this.#where(({ told: said, deliveries }) => said === 'refused' && deliveries.length > 0),
      doubled: doubled.length - doubledWithoutNeed.length,
      doubledWithoutNeed,
    };
  }

  /** Each time but the last: not confirmed, or soon after it, and before the next time, a relay was killed. */
  #isExplained({ deliveries }: Entry): boolean {
    return deliveries.slice(0, -1).every(({ at, isConfirmed }, index) => {
      const next = deliveries[index + 1]?.at ?? at;
      const until = Math.min(next, at + NOTED_MS);
      return !isConfirmed || this.#kills.some((kill) => kill >= at && kill <= until);
    });
  }

  #where(isMeant: (entry: Entry) => boolean): readonly string[] {
    return [...this.#entries].filter(([, entry]) => isMeant(entry)).map(([recipient]) => recipient);
  }

  #entry(recipient: string): Entry {
    const found = this.#entries.get(recipient) ?? { told: undefined, deliveries: [] };
    this.#entries.set(recipient, found);
    return found;
  }
}

export function isClean({ lost, contradicted, doubledWithoutNeed }: Account): boolean {
  return lost.length === 0 && contradicted.length === 0 && doubledWithoutNeed.length === 0;
}
