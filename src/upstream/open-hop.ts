/**
 * From a target to a secured hop.
 *
 * Guarantees: every way it tries ends in verified TLS or in a failure; a failure never makes the next try weaker.
 */
import { newId } from '../log/id.ts';
import { RelayError } from '../protocol/failure.ts';
import { identifierText } from '../tls/reference-identifier.ts';
import { Deadline } from './deadline.ts';
import { orNameFailure } from './locate.ts';
import { WayOpener, type HopSurroundings, type OpenHop } from './open-way.ts';
import { firstToOpen } from './race.ts';
import { reportFailure } from './report-failure.ts';
import type { Target } from './target.ts';
import { waysTo, wayText, type Way } from './way.ts';

export interface OpeningOrder {
  /** How long it may take, milliseconds. */
  readonly budgetMs?: number | undefined;
  /** Whether it is only to be seen that it can be opened. */
  readonly isProbe?: boolean | undefined;
}

/** Opens hops; remembers for each target which way worked. */
export class HopOpener {
  readonly #around: HopSurroundings;
  readonly #worked = new WeakMap<Target, string>();

  constructor(around: HopSurroundings) {
    this.#around = around;
  }

  /** How long an opening may take, milliseconds. */
  get connectMs(): number {
    return this.#around.settings.timeouts.connectMs;
  }

  /** @throws {RelayError} why there is no hop; logged already */
  async open(target: Target, { budgetMs = this.connectMs, isProbe }: OpeningOrder = {}): Promise<OpenHop> {
    using deadline = new Deadline(budgetMs);
    const ways = await this.#waysTo(target, deadline.signal);
    const opened = await firstToOpen(
      ways,
      async (way, race) => new WayOpener(target, way, this.#around, deadline, race).open(isProbe),
      (late) => void late.hop.quit(),
    );
    this.#worked.set(target, idOf(opened.way));
    return opened;
  }

  /** Of the ports of a host, what worked last goes first; the others stay, because each is as secure. */
  async #waysTo(target: Target, signal: AbortSignal): Promise<readonly Way[]> {
    const { resolver } = this.#around.names;
    const asksDane = target.authentication.by === 'dane';
    try {
      const ways = await orNameFailure(asksDane, async () => waysTo(target, resolver, signal));
      const first = target.place.kind === 'host' ? this.#worked.get(target) : undefined;
      return ways.toSorted((a, b) => Number(idOf(b) === first) - Number(idOf(a) === first));
    } catch (error) {
      if (error instanceof RelayError) this.#report(target, error);
      throw error;
    }
  }

  #report({ place }: Target, { failure }: RelayError): void {
    const host = identifierText(place.kind === 'srv' ? place.domain : place.reference);
    const at = { hid: newId(), host, port: 0, address: '', localAddress: '' }; // the port was not found out
    reportFailure(this.#around.log, at, failure);
  }
}

function idOf(way: Way): string {
  const { host, port } = wayText(way);
  return `${host}:${port}`;
}
