/**
 * How often clients may fail to log in: who fails often is not looked at for a while.
 *
 * Guarantees: one client with a wrong password shuts out nobody but itself, not even who has the right one for the same
 * name; a name that has logged in from an address before can do so however many others fail there: behind one address
 * (loopback, a container's gateway) many clients may stand. Memory is bounded.
 * Maps of our own, because they are counters of one process, and these rules are the point of them.
 */
import { KeyedDigest } from '../relay/keyed-digest.ts';
import { RecentMap } from '../relay/recent-map.ts';
import { networkOf } from './client-network.ts';
import type { Proof } from './sasl-exchange.ts';

/** Within the window, of one password for one name from one address: a client that was set up wrong repeats itself. */
const SAME_LIMIT = 5;
/** Of different passwords for one name from one address. */
const NAME_LIMIT = 10;
/** Of all names from one address. */
const ADDRESS_LIMIT = 100;
const WINDOW_MS = 600_000;
/** How long a name that has logged in from an address is known. */
const KNOWN_MS = 86_400_000;
/** Of each kind. */
const MAX_KEPT = 10_000;

/** What the failures of a login are counted under. */
interface Ids {
  readonly network: string;
  readonly name: string;
  /** Undefined for a digest, which is never the same. */
  readonly guess: string | undefined;
}

export class FailedLogins {
  /** Names stand here as digests only: some clients say their password where their name belongs. */
  readonly #digests = new KeyedDigest();
  readonly #byGuess: FailureCounter;
  readonly #byName: FailureCounter;
  readonly #byAddress: FailureCounter;
  readonly #known: RecentMap<true>;

  constructor(now = (): number => performance.now()) {
    this.#byGuess = new FailureCounter(now);
    this.#byName = new FailureCounter(now);
    this.#byAddress = new FailureCounter(now);
    this.#known = new RecentMap(MAX_KEPT, now);
  }

  /** Whether a login may be tried. */
  admits(address: string, proof: Proof): boolean {
    const { network, name, guess } = this.#idsOf(address, proof);
    if (guess !== undefined && this.#byGuess.of(guess) >= SAME_LIMIT) return false;
    if (this.#byName.of(name) >= NAME_LIMIT) return false;
    return this.#known.has(name) || this.#byAddress.of(network) < ADDRESS_LIMIT;
  }

  failed(address: string, proof: Proof): void {
    const { network, name, guess } = this.#idsOf(address, proof);
    const isRepeated = guess !== undefined && this.#byGuess.of(guess) > 0;
    if (guess !== undefined) this.#byGuess.add(guess);
    if (isRepeated) return;
    this.#byName.add(name);
    if (!this.#known.has(name)) this.#byAddress.add(network);
  }

  succeeded(address: string, proof: Proof): void {
    const { name } = this.#idsOf(address, proof);
    this.#known.set(name, true, KNOWN_MS);
    this.#byName.forget(name);
  }

  #idsOf(address: string, proof: Proof): Ids {
    const network = networkOf(address);
    const name = this.#digests.of(network, proof.user);
    const guess =
      proof.by === 'password' ? this.#digests.of(network, proof.user, proof.password.reveal()) : undefined;
    return { network, name, guess };
  }
}

/** Failures within a window that begins with the first. */
class FailureCounter {
  readonly #now: () => number;
  readonly #counts: RecentMap<{ readonly failures: number; readonly until: number }>;

  constructor(now: () => number) {
    this.#now = now;
    this.#counts = new RecentMap(MAX_KEPT, now);
  }

  of(id: string): number {
    return this.#counts.get(id)?.failures ?? 0;
  }

  add(id: string): void {
    const now = this.#now();
    const { failures, until } = this.#counts.get(id) ?? { failures: 0, until: now + WINDOW_MS };
    this.#counts.set(id, { failures: failures + 1, until }, until - now);
  }

  forget(id: string): void {
    this.#counts.delete(id);
  }
}
