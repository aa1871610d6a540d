/**
 * An account at a simulated provider: what it logs in with, which senders are its own, and what it does at this moment.
 *
 * Guarantees: credentials are compared, never taken for granted.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface AccountWish {
  readonly user: string;
  readonly password?: string;
  /** Access tokens that are valid now. */
  readonly tokens?: readonly string[];
  /** Addresses, and domains as `@example.test`, that it may send from; the user by default. */
  readonly senders?: readonly string[];
}

export class Account {
  readonly user: string;
  readonly password: string | undefined;
  readonly tokens: Set<string>;
  readonly #senders: readonly string[];
  /** Logged in now, the oldest first. */
  readonly sessions = new Set<object>();
  /** The largest number of them at once. */
  peak = 0;
  /** Logins that failed one after the other. */
  failures = 0;
  /** When messages were accepted, milliseconds. */
  readonly #accepted: number[] = [];

  constructor({ user, password, tokens = [], senders = [user] }: AccountWish) {
    this.user = user;
    this.password = password;
    this.tokens = new Set(tokens);
    this.#senders = senders.map((one) => one.toLowerCase());
  }

  begin(session: object): void {
    this.sessions.add(session);
    this.peak = Math.max(this.peak, this.sessions.size);
  }

  /** Whether a session is among the oldest of so many. */
  isAmongFirst(session: object, count: number): boolean {
    return [...this.sessions].slice(0, count).includes(session);
  }

  owns(address: string): boolean {
    const lower = address.toLowerCase();
    return this.#senders.includes(lower) || this.#senders.includes(lower.slice(lower.lastIndexOf('@')));
  }

  /** Takes a message when fewer than `limit` were taken within the last `windowMs`, and waits for that. @returns the wait */
  async throttle(limit: number, windowMs: number): Promise<number> {
    let waitedMs = 0;
    for (;;) {
      const now = performance.now();
      const oldest = this.#accepted.at(-limit);
      const waitMs = oldest === undefined ? 0 : oldest + windowMs - now;
      if (waitMs <= 0) {
        this.#accepted.push(now);
        return waitedMs;
      }
      waitedMs += waitMs;
      await delay(waitMs);
    }
  }
}
