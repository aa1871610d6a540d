/**
 * What happens in one moment goes on together: each line or message by itself would wake whoever takes it, which costs
 * more than the line.
 */

export class Moment {
  readonly #begin: () => void;
  readonly #end: () => void;
  readonly #ms: number;
  #isOn = false;

  /**
   * @param end is called before the process ends, too
   * @param ms that it lasts: long enough for much under load, short enough for whoever watches
   */
  constructor(begin: () => void, end: () => void, ms = 10) {
    this.#begin = begin;
    this.#end = end;
    this.#ms = ms;
    process.on('exit', () => this.end());
  }

  /** Begins one, unless one is on. */
  begin(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#begin();
    setTimeout(() => this.end(), this.#ms);
  }

  end(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#end();
  }
}
