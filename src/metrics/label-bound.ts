/**
 * How many values a label may have. Upstreams come from the configuration, but their names may come from DNS.
 */
const MOST = 100;
const OTHERS = 'others';

export class LabelBound {
  readonly #known = new Set<string>();

  /** @returns the value, or `others` when there are too many */
  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= MOST) return OTHERS;
    this.#known.add(value);
    return value;
  }
}
