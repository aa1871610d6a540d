/**
 * What is known of hops by their names in the log: whose they were and how that was proven.
 */
import type { Events } from '../log/events.ts';
import type { Observer } from '../log/observer.ts';

export interface KnownHop {
  /** `host:port` */
  readonly upstream: string;
  readonly tls: Pick<
    Events['hop.probed'],
    'name' | 'authenticatedBy' | 'protocol' | 'cipher' | 'group' | 'fingerprint'
  >;
}

/** A message's verdict may come after its hop has ended. */
const MOST_CLOSED = 1_000;
/** Of a worker that died nobody tells that its hops are closed. */
const MOST_OPEN = 20_000;

export class HopBook {
  readonly #open = new Map<string, KnownHop>();
  readonly #closed = new Map<string, KnownHop>();

  readonly observer: Observer = {
    'hop.probed': (fields) => this.#secured(fields),
    'hop.secured': (fields) => this.#secured(fields),
    'hop.closed': ({ hid }) => {
      const hop = this.#open.get(hid);
      this.#open.delete(hid);
      if (hop !== undefined) put(this.#closed, hid, hop, MOST_CLOSED);
    },
  };

  get(hid: string | undefined): KnownHop | undefined {
    if (hid === undefined) return undefined;
    return this.#open.get(hid) ?? this.#closed.get(hid);
  }

  #secured({ hid, host, port, ...proven }: Events['hop.probed']): void {
    const { name, authenticatedBy, protocol, cipher, group, fingerprint } = proven;
    const tls = { name, authenticatedBy, protocol, cipher, group, fingerprint };
    put(this.#open, hid, { upstream: `${host}:${port}`, tls }, MOST_OPEN);
  }
}

/** Forgets the oldest where there are too many. */
function put(map: Map<string, KnownHop>, hid: string, hop: KnownHop, most: number): void {
  map.set(hid, hop);
  const [oldest] = map.size > most ? map.keys() : [];
  if (oldest !== undefined) map.delete(oldest);
}
