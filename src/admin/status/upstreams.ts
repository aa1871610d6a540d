/**
 * What is known of each upstream: how its hops are secured, or why they are not.
 *
 * Guarantees: remembers a bounded number of upstreams and hops.
 */
import type { Events } from '../../log/events.ts';
import type { Observer } from '../../log/observer.ts';
import { insecureSentence, refusedSentence } from './hop-sentence.ts';

export interface Secured {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly name: string;
  readonly authenticatedBy: string;
  readonly protocol: string;
  readonly cipher: string;
  readonly group: string;
  readonly fingerprint: string;
  readonly notAfter: string;
  readonly mechanism: string;
}

export interface HopFailure {
  readonly at: number;
  /** A result type of RFC 8460 where TLS failed, else a kind of failure. */
  readonly result: string;
  readonly phase: string;
  readonly reason: string;
  readonly sentence: string;
}

/** What happened last counts. */
export interface UpstreamView {
  readonly host: string;
  readonly port: number;
  readonly secured: Secured | undefined;
  /** Undefined when a hop was secured since. */
  readonly failure: HopFailure | undefined;
}

/** The hop of a transaction. */
export interface HopView {
  readonly hid: string;
  readonly host: string;
  readonly port: number;
  readonly proof: string;
  /** The transactions that it has had, this one included. */
  readonly use: number;
}

interface KnownHop {
  readonly view: Omit<HopView, 'use'>;
  uses: number;
}

const MOST_UPSTREAMS = 50;
const MOST_HOPS = 2_000;

export class Upstreams {
  readonly observer: Observer;
  readonly #views = new Map<string, UpstreamView>();
  readonly #hops = new Map<string, KnownHop>();
  readonly #now: () => number;

  constructor(now: () => number, changed: () => void) {
    this.#now = now;
    const secured = (fields: Events['hop.probed']): void => {
      this.#secured(fields);
      changed();
    };
    this.observer = {
      'hop.probed': secured,
      'hop.secured': secured,
      'hop.insecure': (fields) => {
        this.#failed(fields, fields.resultType, insecureSentence(fields));
        changed();
      },
      'hop.refused': (fields) => {
        this.#failed(fields, fields.failure, refusedSentence(fields));
        changed();
      },
      'hop.closed': ({ hid }) => void this.#hops.delete(hid),
    };
  }

  /** Without ways that were tried in vain before another way to the same host was found. */
  get all(): readonly UpstreamView[] {
    const views = [...this.#views.values()];
    const isSuperseded = ({ host, failure, secured }: UpstreamView): boolean =>
      secured === undefined &&
      views.some((other) => other.host === host && (other.secured?.at ?? -1) >= (failure?.at ?? 0));
    return views.filter((view) => !isSuperseded(view));
  }

  /** Counts the transaction that uses it. */
  use(hid: string | undefined): HopView | undefined {
    const hop = hid === undefined ? undefined : this.#hops.get(hid);
    if (hop === undefined) return undefined;
    hop.uses += 1;
    return { ...hop.view, use: hop.uses };
  }

  #secured({ hid, host, port, ...fields }: Events['hop.probed']): void {
    const { name, authenticatedBy, protocol, cipher, group, fingerprint, notAfter, mechanism } = fields;
    const seen = { name, authenticatedBy, protocol, cipher, group, fingerprint, notAfter, mechanism };
    this.#put({ host, port, secured: { at: this.#now(), ...seen }, failure: undefined });
    const proof = `${authenticatedBy}, ${protocol}, ${cipher}`;
    this.#hops.set(hid, { view: { hid, host, port, proof }, uses: this.#hops.get(hid)?.uses ?? 0 });
    forgetOldest(this.#hops, MOST_HOPS);
  }

  #failed(fields: Events['hop.insecure' | 'hop.refused'], result: string, sentence: string): void {
    const { host, port, phase, reason } = fields;
    const { secured } = this.#views.get(`${host}:${port}`) ?? { secured: undefined };
    this.#put({ host, port, secured, failure: { at: this.#now(), result, phase, reason, sentence } });
  }

  #put(view: UpstreamView): void {
    this.#views.set(`${view.host}:${view.port}`, view);
    forgetOldest(this.#views, MOST_UPSTREAMS);
  }
}

function forgetOldest(map: Map<string, unknown>, most: number): void {
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size > most) map.delete(oldest);
}
