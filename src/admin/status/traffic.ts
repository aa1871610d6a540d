/**
 * Deliveries and refusals over time: counts for equal spans of time, the oldest forgotten.
 */

export const OUTCOMES = ['delivered', 'kept', 'refused'] as const;

export type Counted = (typeof OUTCOMES)[number];

/** When it began, milliseconds since 1970, and the counts in the order of `OUTCOMES`. */
export type Span = readonly [from: number, ...counts: number[]];

export class Traffic {
  readonly spanMs: number;
  readonly #spans = new Map<number, [number, ...number[]]>();
  readonly #most: number;

  /** @param most spans that are remembered */
  constructor(spanMs: number, most: number) {
    this.spanMs = spanMs;
    this.#most = most;
  }

  /** @param at milliseconds since 1970 */
  count(outcome: Counted, at: number): void {
    const span = this.#spanFrom(Math.floor(at / this.spanMs) * this.spanMs);
    const place = OUTCOMES.indexOf(outcome) + 1;
    span[place] = (span[place] ?? 0) + 1;
  }

  /** Those in which something happened and that ended after then. */
  since(time: number): readonly Span[] {
    return [...this.#spans.values()].filter(([from]) => from + this.spanMs > time);
  }

  #spanFrom(from: number): [number, ...number[]] {
    const known = this.#spans.get(from);
    if (known !== undefined) return known;
    const span: [number, ...number[]] = [from, ...OUTCOMES.map(() => 0)];
    this.#spans.set(from, span);
    const [oldest] = this.#spans.keys();
    if (oldest !== undefined && this.#spans.size > this.#most) this.#spans.delete(oldest);
    return span;
  }
}
