/**
 * Which targets lost a large ClientHello lately: they get a small one at once, so that not every hop waits in vain.
 *
 * An attacker who drops the large ones gains nothing by it: he can drop each of them.
 */
import type { Target } from './target.ts';

const KEPT_MS = 600_000;

export class StallMemory {
  readonly #until = new WeakMap<Target, number>();

  keep(target: Target): void {
    this.#until.set(target, performance.now() + KEPT_MS);
  }

  has(target: Target): boolean {
    return (this.#until.get(target) ?? 0) > performance.now();
  }
}
