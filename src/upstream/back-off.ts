/**
 * When a failing upstream may be tried again: at once after the first failure, then after intervals that double.
 *
 * Guarantees: an upstream that lets us in and throws us out again counts as failing; refused credentials are offered ever
 * more rarely, because accounts are locked for that.
 */

/** After the second failure in a row; doubles with each one more. */
const FIRST_MS = 100;
const FIRST_AUTH_MS = 1_000;

/** For a try that somebody waits for: a client can wait so long, and mail flows again soon after the upstream does. */
const LONGEST_AWAITED_MS = 5_000;

/** For one that nobody waits for. */
const LONGEST_MS = 60_000;

/** For credentials, whoever waits. */
const LONGEST_AUTH_MS = 300_000;

export class BackOff {
  readonly #now: () => number;
  #failures = 0;
  #isAuth = false;
  #failedAt = -Infinity;
  #mustRest = false;

  /** @param now milliseconds */
  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** Whether a try failed, and no hop has proved since that the upstream is well. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** @returns milliseconds until the next try; 0 for at once */
  restMs(isAwaited: boolean): number {
    if (this.#failures < 2 || !this.#mustRest) return 0;
    const [first, longest] = this.#isAuth
      ? [FIRST_AUTH_MS, LONGEST_AUTH_MS]
      : [FIRST_MS, isAwaited ? LONGEST_AWAITED_MS : LONGEST_MS];
    const interval = Math.min(longest, first * 2 ** (this.#failures - 2));
    return Math.max(0, Math.ceil(this.#failedAt + interval - this.#now()));
  }

  /**
   * @param begun when the try began by the same clock: tries that ran side by side fail once
   * @param isAuth whether our credentials were refused
   */
  failed(begun: number, isAuth = false): void {
    if (begun < this.#failedAt) return;
    this.#failures += 1;
    this.#isAuth = isAuth;
    this.#failedAt = this.#now();
    this.#mustRest = true;
  }

  /** A try succeeded: the next need not wait, but nothing is forgotten yet. @param begun when it began */
  opened(begun: number): void {
    if (begun >= this.#failedAt) this.#mustRest = false;
  }

  /** A hop served, or stood for a while. @param opened when it was; an older one than the newest failure proves nothing */
  proven(opened: number): void {
    if (opened >= this.#failedAt) this.#failures = 0;
  }
}
