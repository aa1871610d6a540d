/**
 * How many recipients one message may have at an upstream that says so (RFC 9422).
 *
 * Guarantees: a recipient beyond the limit is never sent up.
 */
import type { SessionLimits } from '../protocol/capabilities.ts';

export class RecipientLimits {
  readonly #domains = new Set<string>();
  #recipients = 0;

  /** Counts one more. @param path with brackets @returns whether it may go up; what may not is not counted */
  admit(path: string, { rcptMax = Infinity, domainMax = Infinity }: SessionLimits): boolean {
    const domain = path.slice(path.lastIndexOf('@') + 1, -1).toLowerCase();
    if (this.#recipients >= rcptMax) return false;
    if (this.#domains.size >= domainMax && !this.#domains.has(domain)) return false;
    this.#recipients += 1;
    if (domainMax !== Infinity) this.#domains.add(domain);
    return true;
  }
}
