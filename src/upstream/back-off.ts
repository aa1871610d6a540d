/**
 * When a failing upstream may be tried again: at once after the first failure, then after intervals that double.
 */

/** After the second failure in a row; doubles with each one more. */
const FIRST_MS = 100;

/** For a try that somebody waits for: a client can wait so long, and mail flows again soon after the upstream does. */
const LONGEST_AWAITED_MS = 5_000;

/** For one that nobody waits for. */
const LONGEST_MS = 60_000;

export class BackOff {
  readonly #now: () => number;
  #failures = 0;
  #failedAt = -Infinity;

  /** @param now milliseconds */
  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** Whether the newest try failed. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** @returns milliseconds until the next try; 0 for at once */
  restMs(isAwaited: boolean): number {
    if (this.#failures < 2) return 0;
    const longest = isAwaited ? LONGEST_AWAITED_MS : LONGEST_MS;
    const interval = Math.min(longest, FIRST_MS * 2 ** (this.#failures - 2));
    return Math.max(0, Math.ceil(this.#failedAt + interval - this.#now()));
  }

  /** @param begun when the try began by the same clock: tries that ran side by side fail once */
  failed(begun: number): void {
    if (begun < this.#failedAt) return;
    this.#failures += 1;
    this.#failedAt = this.#now();
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
