/**
 * What happens in one moment goes on together: each line or message by itself would wake whoever takes it, which costs
 * more than the line.
 */

/** Long enough for much of it under load, short enough for whoever watches. */
const MOMENT_MS = 10;

export class Moment {
  readonly #begin: () => void;
  readonly #end: () => void;
  #isOn = false;

  /** @param end is called before the process ends, too */
  constructor(begin: () => void, end: () => void) {
    this.#begin = begin;
    this.#end = end;
    process.on('exit', () => this.end());
  }

  /** Begins one, unless one is on. */
  begin(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#begin();
    setTimeout(() => this.end(), MOMENT_MS);
  }

  end(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#end();
  }
}
