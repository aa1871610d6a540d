/**
 * What is known of hops by their names in the log: whose they were and how that was proven, as lines of the trail tell it. All
 * messages of a hop tell the same: it is put into words once.
 */
import type { Events } from '../log/events.ts';
import type { Observer } from '../log/observer.ts';
import { membersOf } from './chain.ts';

/** A message's verdict may come after its hop has ended. */
const MOST_CLOSED = 1_000;
/** Of a worker that died nobody tells that its hops are closed. */
const MOST_OPEN = 20_000;

export class HopBook {
  readonly #open = new Map<string, string>();
  readonly #closed = new Map<string, string>();

  readonly observer: Observer = {
    'hop.probed': (fields) => this.#secured(fields),
    'hop.secured': (fields) => this.#secured(fields),
    'hop.closed': ({ hid }) => {
      const evidence = this.#open.get(hid);
      this.#open.delete(hid);
      if (evidence !== undefined) put(this.#closed, hid, evidence, MOST_CLOSED);
    },
  };

  /** Members of a line, each with a comma before it; '' where nothing is known. */
  evidenceOf(hid: string | undefined): string {
    if (hid === undefined) return '';
    return this.#open.get(hid) ?? this.#closed.get(hid) ?? '';
  }

  #secured({ hid, host, port, ...proven }: Events['hop.probed']): void {
    const { name, authenticatedBy, protocol, cipher, group, fingerprint } = proven;
    const tls = { name, authenticatedBy, protocol, cipher, group, fingerprint };
    put(this.#open, hid, `,${membersOf({ upstream: `${host}:${port}`, tls })}`, MOST_OPEN);
  }
}

/** Forgets the oldest where there are too many. */
function put(map: Map<string, string>, hid: string, evidence: string, most: number): void {
  map.set(hid, evidence);
  const [oldest] = map.size > most ? map.keys() : [];
  if (oldest !== undefined) map.delete(oldest);
}
