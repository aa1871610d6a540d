/**
 * The ports of one upstream log in one after the other: credentials that one port did not accept are offered at no other,
 * because that locks accounts. The relay keeps to the same (upstream/race.ts).
 */

/** Thrown where credentials would have been offered. */
export class LoginNotTried extends Error {
  /** For people. */
  readonly detail: string;

  constructor(detail: string) {
    super(`login not tried: ${detail}`);
    this.detail = detail;
  }
}

export class LoginTurns {
  #turn: Promise<unknown> = Promise.resolve();
  #refusedOn: number | undefined;

  /**
   * Resolves when credentials may be offered.
   *
   * @param ended resolves when the one who asks has ended, whatever came of it
   * @param signal when it has aborted, it is too late to offer anything
   * @throws {LoginNotTried}
   */
  async take(ended: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const before = this.#turn;
    this.#turn = Promise.all([before, ended]);
    await before;
    if (this.#refusedOn !== undefined) throw new LoginNotTried(`refused on port ${this.#refusedOn}`);
    if (signal.aborted) throw new LoginNotTried('the login on another port took all the time');
  }

  /** To be called before the `ended` of that port resolves. */
  refused(port: number): void {
    this.#refusedOn ??= port;
  }
}
