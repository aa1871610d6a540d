/**
 * Metrics for Prometheus: what happened, counted from the events of the log, and what there is, measured when asked for.
 *
 * Guarantees: names and units by Prometheus's conventions, all `sealpost_…`; of several processes they tell the whole, and
 * no count gets smaller when one of them ends.
 */
import { Registry } from 'prom-client';

import type { Observer } from '../log/observer.ts';
import { Definitions } from './definitions.ts';
import { eventMetrics } from './event-metrics.ts';
import { measuredMetrics, type Measured } from './measured-metrics.ts';

export class RelayMetrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly observer: Observer;
  readonly #registry = new Registry();
  readonly #set: (measured: Measured) => void;

  constructor(version: string) {
    const define = new Definitions(this.#registry);
    this.observer = eventMetrics(define);
    this.#set = measuredMetrics(define);
    const help = 'Always 1; the label says which version of Sealpost runs.';
    define.gauge('sealpost_build_info', help, ['version']).set({ version }, 1);
  }

  /** In the text format of Prometheus. */
  async text(measured: Measured): Promise<string> {
    this.#set(measured);
    return this.#registry.metrics();
  }
}
