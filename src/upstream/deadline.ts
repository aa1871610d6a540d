/**
 * One budget of time over several steps, so that a slow step leaves less for the next.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #end: number;
  readonly #timer: NodeJS.Timeout;

  /** @param totalMs from now */
  constructor(totalMs: number) {
    this.#end = performance.now() + totalMs;
    this.#timer = setTimeout(() => this.#controller.abort(), totalMs);
  }

  /** Aborts when the time is up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds left, at least 1: timers take no less. */
  get remainingMs(): number {
    return Math.max(1, Math.ceil(this.#end - performance.now()));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
