/**
 * How metrics are made: each by its name, what it means, and the labels it has.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

import { Tally } from './tally.ts';

export class Definitions {
  readonly #registers: Registry[];

  constructor(registry: Registry) {
    this.#registers = [registry];
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: this.#registers });
  }

  tally(name: string, help: string, label: string): Tally {
    return new Tally(name, help, label, this.#registers);
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: this.#registers });
  }

  /** @param buckets upper bounds */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    return new Histogram({ name, help, buckets: [...buckets], registers: this.#registers });
  }
}
