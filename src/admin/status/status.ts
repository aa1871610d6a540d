/**
 * What the status page shows, folded from what the log is told: a few numbers, the last of everything.
 *
 * Guarantees: memory does not grow with what happens; nothing is asked of the relay.
 */
import type { Events } from '../../log/events.ts';
import type { Observer } from '../../log/observer.ts';
import type { AddressShown } from '../../relay/shown-address.ts';
import { Notices, type Notice } from './notices.ts';
import { Traffic, type Span } from './traffic.ts';
import { Transactions, type Story } from './transactions.ts';
import { Upstreams, type UpstreamView } from './upstreams.ts';
import { verdictOn, type Verdict } from './verdict.ts';

export interface ListenerView {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Everything but transactions and traffic: small, so that it is told whole. */
export interface Overview {
  readonly verdict: Verdict;
  readonly listeners: readonly ListenerView[];
  /** Sessions of clients since the start, and those of them that began with TLS. */
  readonly sessions: { readonly all: number; readonly tls: number };
  readonly upstreams: readonly UpstreamView[];
  readonly notices: readonly Notice[];
}

export interface TrafficView {
  readonly spanMs: number;
  /** How far back it goes. */
  readonly rangeMs: number;
  readonly spans: readonly Span[];
}

export interface Update {
  /** Of this machine's clock, milliseconds since 1970. */
  readonly now: number;
  readonly overview: Overview;
  /** By name: `hour`, `day`. Those of an update replace the spans of the same time. */
  readonly traffic: Readonly<Record<string, TrafficView>>;
  /** The latest last. */
  readonly stories: readonly Story[];
}

const MINUTE_MS = 60_000;
const RANGES = {
  hour: { spanMs: MINUTE_MS, rangeMs: 60 * MINUTE_MS },
  day: { spanMs: 15 * MINUTE_MS, rangeMs: 24 * 60 * MINUTE_MS },
} as const;
/** Of one update and either kind; of more nobody could read the difference. */
const MOST_CHANGED = 50;

export class Status {
  readonly observer: Observer;
  /** Called when there is something new to tell; returns at once. */
  changed: () => void = () => undefined;
  readonly #now: () => number;
  readonly #upstreams: Upstreams;
  readonly #transactions: Transactions;
  readonly #notices: Notices;
  readonly #traffic = Object.entries(RANGES).map(([name, { spanMs, rangeMs }]) => ({
    name,
    rangeMs,
    counts: new Traffic(spanMs, rangeMs / spanMs),
  }));
  readonly #listeners: ListenerView[] = [];
  readonly #sessions = { all: 0, tls: 0 };
  #toldAt = 0;

  /** @param now milliseconds since 1970 */
  constructor(addresses: AddressShown, now = (): number => Date.now()) {
    this.#now = now;
    const changed = (): void => this.changed();
    this.#upstreams = new Upstreams(now, changed);
    this.#notices = new Notices(addresses, now, changed);
    this.#transactions = new Transactions({
      now,
      addresses,
      useOf: (hid) => this.#upstreams.use(hid),
      count: (outcome) => {
        for (const { counts } of this.#traffic) counts.count(outcome, now());
      },
      changed,
    });
    this.observer = {
      ...this.#upstreams.observer,
      ...this.#transactions.observer,
      ...this.#notices.observer,
      'listener.started': ({ host, port, tls }) => void this.#listeners.push({ host, port, tls }),
      'session.opened': (session) => this.#opened(session),
    };
  }

  /** All there is. */
  whole(): Update {
    return this.#update(this.#transactions.all, 0);
  }

  /** What is new since this was asked last. */
  news(): Update {
    const since = this.#toldAt;
    this.#toldAt = this.#now();
    return this.#update(this.#transactions.takeChanged(MOST_CHANGED), since);
  }

  #update(stories: readonly Story[], since: number): Update {
    const now = this.#now();
    const upstreams = this.#upstreams.all;
    const traffic = this.#traffic.map(({ name, rangeMs, counts }) => {
      const spans = counts.since(Math.max(since, now - rangeMs));
      return [name, { spanMs: counts.spanMs, rangeMs, spans }] as const;
    });
    return {
      now,
      overview: {
        verdict: verdictOn(upstreams, this.#transactions.last, this.#refusedLately(now)),
        listeners: this.#listeners,
        sessions: this.#sessions,
        upstreams,
        notices: this.#notices.all,
      },
      traffic: Object.fromEntries(traffic),
      stories,
    };
  }

  /** The message that was refused last, unless that is long ago. */
  #refusedLately(now: number): Story | undefined {
    const { lastRefused } = this.#transactions;
    return lastRefused !== undefined && now - lastRefused.at < RANGES.hour.rangeMs ? lastRefused : undefined;
  }

  #opened({ tls }: Events['session.opened']): void {
    this.#sessions.all += 1;
    if (tls) this.#sessions.tls += 1;
    this.changed();
  }
}
