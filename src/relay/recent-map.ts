/**
 * What is remembered for a while.
 *
 * Guarantees: no more entries than `most`; what was set the longest ago makes room.
 */
interface Entry<V> {
  readonly value: V;
  readonly until: number;
}

export class RecentMap<V> {
  readonly #most: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry<V>>();

  /** @param now milliseconds, never going back */
  constructor(most: number, now = (): number => performance.now()) {
    this.#most = most;
    this.#now = now;
  }

  get(id: string): V | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.until > this.#now() ? entry.value : undefined;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  set(id: string, value: V, forMs: number): void {
    this.#entries.delete(id); // so that it stands last
    this.#entries.set(id, { value, until: this.#now() + forMs });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(id: string): void {
    this.#entries.delete(id);
  }
}
