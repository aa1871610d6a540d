/**
 * A counter by one label that is added to with each message, and read a few times a minute: what was added reaches the registry
 * when it is asked.
 */
import { Counter, type Registry } from 'prom-client';

export class Tally {
  readonly #counter: Counter;
  readonly #label: string;
  readonly #added = new Map<string, number>();

  constructor(name: string, help: string, label: string, registers: Registry[]) {
    const collect = (): void => this.#passOn();
    this.#counter = new Counter({ name, help, labelNames: [label], registers, collect });
    this.#label = label;
  }

  /** @param value of the label */
  add(value: string, count = 1): void {
    this.#added.set(value, (this.#added.get(value) ?? 0) + count);
  }

  #passOn(): void {
    for (const [value, count] of this.#added) this.#counter.inc({ [this.#label]: value }, count);
    this.#added.clear();
  }
}
