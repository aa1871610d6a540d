/**
 * The accounts that clients have at the upstream: each logs in with its own name and password, inside verified TLS.
 *
 * Guarantees: hops of an account serve only sessions that presented exactly its name and password; neither is kept
 * outside the targets they are used for, and what finds those again is a keyed digest; an account that nobody uses is
 * forgotten, hops and all; one that was refused is offered ever more rarely, and slows no other one.
 */
import { RelayError } from '../protocol/failure.ts';
import type { Secret } from '../protocol/secret.ts';
import { BackOff } from '../upstream/back-off.ts';
import type { HopPool } from '../upstream/pool.ts';
import type { MechanismName } from '../upstream/sasl/mechanism.ts';
import type { Target } from '../upstream/target.ts';
import { KeyedDigest } from './keyed-digest.ts';
import { RecentMap } from './recent-map.ts';

/** A client's account while its session lasts. */
export interface ClientAccount {
  /** The relay's own, with the client's credentials. */
  readonly targets: readonly Target[];
  /** To be called at the end of the session, once or more often. */
  release(): void;
}

export interface AccountsOptions {
  readonly pool: HopPool;
  /** Whose credentials are replaced; others when the configuration was read anew. */
  readonly targets: () => readonly Target[];
  /** Those that may carry a password; all when undefined. */
  readonly mechanisms: readonly MechanismName[] | undefined;
  /** How long an account is kept without a session. */
  readonly idleMs: number;
  /** How many there may be; a thousand by default. */
  readonly most?: number;
}

interface Account {
  readonly targets: readonly Target[];
  sessions: number;
  /** Whether the upstream has let it in. */
  isProven: boolean;
  idleSince: number;
}

/** The upstream's answer to a login, and when it may be asked again. */
interface Refused {
  readonly error: RelayError;
  readonly backOff: BackOff;
}

/** For longer than the longest rest. */
const REFUSED_MS = 600_000;
const MAX_REFUSED = 1_000;

const MAX_ACCOUNTS = 1_000;
const TEND_MS = 10_000;

const TOO_MANY = 'The relay has too many accounts logged in at the upstream; try again later.';

export class ClientAccounts {
  readonly #options: AccountsOptions;
  /** Of name and password; others for each upstream: an account at one that has changed is not found again, and goes. */
  readonly #digests = new WeakMap<readonly Target[], KeyedDigest>();
  /** Longest there first. */
  readonly #accounts = new Map<string, Account>();
  readonly #refused = new RecentMap<Refused>(MAX_REFUSED);

  constructor(options: AccountsOptions) {
    this.#options = options;
    setInterval(() => this.#tend(), TEND_MS).unref();
  }

  /** How many there are. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Whether the upstream has let in who presents this, and nothing has shown since that it does no more. */
  isProven(user: string, password: Secret): boolean {
    return this.#accounts.get(this.#idOf(user, password))?.isProven === true;
  }

  /**
   * Secures a hop and logs in on it; where one stands that was logged in so, that one's answer counts, and so does a
   * refusal not long ago.
   *
   * @param signal aborts when the client is gone
   * @throws {RelayError} the upstream's refusal, or why there is no hop
   */
  async logIn(user: string, password: Secret, signal: AbortSignal): Promise<ClientAccount> {
    const id = this.#idOf(user, password);
    const account = this.#accounts.get(id) ?? this.#add(id, user, password);
    account.sessions += 1;
    const begun = performance.now();
    try {
      const { pool } = this.#options;
      void pool.giveBack(await pool.lease({ targets: account.targets, signal, isTrial: true }));
      account.isProven = true;
      this.#refused.delete(id);
      return this.#held(id, account);
    } catch (error) {
      if (error instanceof RelayError && error.failure.kind === 'auth') {
        account.isProven = false;
        this.#remember(id, error, begun);
      }
      this.#release(id, account);
      throw error;
    }
  }

  #held(id: string, account: Account): ClientAccount {
    let isHeld = true;
    return {
      targets: account.targets,
      release: () => {
        if (isHeld) this.#release(id, account);
        isHeld = false;
      },
    };
  }

  /** @param begun when the login did */
  #remember(id: string, error: RelayError, begun: number): void {
    const { failure } = error;
    const backOff = this.#refused.get(id)?.backOff ?? new BackOff();
    backOff.failed(begun, failure.kind === 'auth' && (failure.reply?.code ?? 0) >= 500);
    this.#refused.set(id, { error, backOff }, REFUSED_MS);
  }

  /** @throws {RelayError} capacity, or the upstream's last refusal while it is not to be asked again */
  #add(id: string, user: string, password: Secret): Account {
    const refused = this.#refused.get(id);
    if (refused !== undefined && refused.backOff.restMs(true) > 0) throw refused.error;
    const { mechanisms } = this.#options;
    this.#makeRoom();
    const credentials = { kind: 'password', user, password, mechanisms } as const;
    const account = {
      targets: this.#options.targets().map((target) => ({ ...target, credentials })),
      sessions: 0,
      isProven: false,
      idleSince: 0,
    };
    this.#accounts.set(id, account);
    return account;
  }

  /** @throws {RelayError} capacity */
  #makeRoom(): void {
    if (this.#accounts.size < (this.#options.most ?? MAX_ACCOUNTS)) return;
    const [longestIdle] = [...this.#accounts]
      .filter(([, { sessions }]) => sessions === 0)
      .toSorted(([, one], [, other]) => one.idleSince - other.idleSince);
    if (longestIdle === undefined) throw new RelayError({ kind: 'capacity', reason: TOO_MANY });
    this.#forget(...longestIdle);
  }

  #release(id: string, account: Account): void {
    account.sessions -= 1;
    if (account.sessions > 0) return;
    account.idleSince = performance.now();
    if (!account.isProven) this.#forget(id, account);
  }

  #tend(): void {
    const before = performance.now() - this.#options.idleMs;
    for (const [id, account] of this.#accounts)
      if (account.sessions === 0 && account.idleSince <= before) this.#forget(id, account);
  }

  #forget(id: string, account: Account): void {
    this.#accounts.delete(id);
    for (const target of account.targets) void this.#options.pool.forget(target);
  }

  #idOf(user: string, password: Secret): string {
    const targets = this.#options.targets();
    const digest = this.#digests.get(targets) ?? new KeyedDigest();
    this.#digests.set(targets, digest);
    return digest.of(user, password.reveal());
  }
}
