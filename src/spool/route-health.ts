/**
 * Which upstreams have been seen to give no hop, and for how long they are left alone.
 *
 * One failure speaks for all messages that wait for the same upstream; they pause together, at growing intervals, until a
 * hop to it is seen alive, whoever it was for.
 */
/** The name of an upstream; undefined for the one that needs none. */
export type RouteName = string | undefined;

/** As stores and their indexes have it. */
export function nameOf(route: RouteName): string {
  return route ?? '';
}

export function routeOf(name: string): RouteName {
  return name === '' ? undefined : name;
}

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;

interface Pause {
  readonly failures: number;
  /** performance.now() */
  readonly until: number;
}

export class RouteHealth {
  readonly #now: () => number;
  readonly #pauses = new Map<RouteName, Pause>();
  /** Seen alive since they failed last, or since we started. */
  readonly #alive = new Set<RouteName>();

  /** @param now milliseconds */
  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** There was no hop. Attempts that failed side by side count once. */
  failed(route: RouteName): void {
    this.#alive.delete(route);
    if (this.isPaused(route)) return;
    const { failures } = this.#pauses.get(route) ?? { failures: 0 };
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 20));
    this.#pauses.set(route, { failures: failures + 1, until: this.#now() + pauseMs });
  }

  /** A hop was secured, or has served. @returns whether that is news */
  revived(route: RouteName): boolean {
    if (this.#alive.has(route)) return false;
    this.#pauses.delete(route);
    this.#alive.add(route);
    return true;
  }

  /** Whether it is to be left alone now. */
  isPaused(route: RouteName): boolean {
    const { until } = this.#pauses.get(route) ?? { until: -Infinity };
    return until > this.#now();
  }

  /** Until the first of them may be tried again, milliseconds. */
  get restMs(): number {
    const rests = [...this.#pauses.values()].map(({ until }) => until - this.#now());
    return Math.min(Infinity, ...rests.filter((rest) => rest > 0));
  }
}
