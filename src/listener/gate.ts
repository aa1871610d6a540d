/**
 * Lets a few through at a time; the others wait in line, and the line has an end.
 */
export class Gate {
  readonly #most: number;
  readonly #longest: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  /**
   * @param most at a time
   * @param longest how many may wait
   */
  constructor(most: number, longest: number) {
    this.#most = most;
    this.#longest = longest;
  }

  /** @returns undefined when the line is full */
  async through<T>(act: () => Promise<T>): Promise<T | undefined> {
    if (this.#inside < this.#most) this.#inside += 1;
    else if (this.#waiting.length >= this.#longest) return undefined;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // whoever leaves hands on his place
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside -= 1;
      else next();
    }
  }
}
