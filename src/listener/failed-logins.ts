/**
 * How often clients may fail to log in: who fails often is not looked at for a while.
 *
 * Guarantees: one client with a wrong password shuts out nobody but itself, and a name that has logged in from an address
 * before can do so however many others fail there: behind one address (loopback, a container's gateway) many clients may
 * stand. Memory is bounded.
 * Maps of our own, because they are counters of one process, and these two rules are the point of them.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';

/** Failures within the window, of one name from one address. */
const NAME_LIMIT = 10;
/** Of all names from one address. */
const ADDRESS_LIMIT = 100;
const WINDOW_MS = 600_000;
/** How long a name that has logged in from an address is known. */
const KNOWN_MS = 86_400_000;
/** Of each kind; the longest unused one makes room. */
const MAX_KEPT = 10_000;

interface Counter {
  readonly failures: number;
  readonly until: number;
}

export class FailedLogins {
  /** Names stand here as digests only: some clients say their password where their name belongs. */
  readonly #key = randomBytes(32);
  readonly #byName = new Map<string, Counter>();
  readonly #byAddress = new Map<string, Counter>();
  readonly #known = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether a login may be tried. */
  admits(address: string, user: string): boolean {
    const network = networkOf(address);
    const name = this.#nameFrom(network, user);
    if (this.#failures(this.#byName, name) >= NAME_LIMIT) return false;
    return this.#isKnown(name) || this.#failures(this.#byAddress, network) < ADDRESS_LIMIT;
  }

  failed(address: string, user: string): void {
    const network = networkOf(address);
    const name = this.#nameFrom(network, user);
    this.#count(this.#byName, name);
    if (!this.#isKnown(name)) this.#count(this.#byAddress, network);
  }

  succeeded(address: string, user: string): void {
    const name = this.#nameFrom(networkOf(address), user);
    keep(this.#known, name, this.#now() + KNOWN_MS);
    this.#byName.delete(name);
  }

  #isKnown(name: string): boolean {
    return (this.#known.get(name) ?? 0) > this.#now();
  }

  #failures(counters: ReadonlyMap<string, Counter>, id: string): number {
    const counter = counters.get(id);
    return counter === undefined || counter.until <= this.#now() ? 0 : counter.failures;
  }

  #count(counters: Map<string, Counter>, id: string): void {
    const failures = this.#failures(counters, id);
    const until = failures === 0 ? undefined : counters.get(id)?.until;
    keep(counters, id, { failures: failures + 1, until: until ?? this.#now() + WINDOW_MS });
  }

  #nameFrom(network: string, user: string): string {
    return createHmac('sha256', this.#key).update(`${network} ${user}`).digest('base64');
  }
}

/** Put last, so that the first is the longest unused. */
function keep<T>(map: Map<string, T>, id: string, value: T): void {
  map.delete(id);
  map.set(id, value);
  const [oldest] = map.keys();
  if (map.size > MAX_KEPT && oldest !== undefined) map.delete(oldest);
}

/** One who has an IPv6 address has 2^64 of them. */
function networkOf(address: string): string {
  if (!isIPv6(address) || /^::ffff:/i.test(address)) return address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const words = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - words.length - after.length;
  return [...words, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':');
}
