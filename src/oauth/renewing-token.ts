/**
 * The access token of one account, asked for when it is needed and renewed before it expires.
 *
 * Guarantees: one renewal at a time, however many wait for it; what came of it, a failure too, is theirs all; a failing
 * provider is asked at growing intervals, and at once when somebody has logged in anew; no waiting while a token is left
 * that counts.
 */
import type { Log } from '../log/log.ts';
import { RelayError } from '../protocol/failure.ts';
import type { Secret } from '../protocol/secret.ts';
import { unlessAborted } from '../protocol/unless-aborted.ts';
import type { HttpsFetch } from '../tls/https-fetch.ts';
import type { OAuthAccount } from './account.ts';
import { LoginStore, seedOf, type StoredLogin } from './login-store.ts';
import { TokenEndpoint, type TokenReply } from './token-endpoint.ts';
import { isPassing, TokenError } from './token-error.ts';

/** One renewal, from the lock to the answer. */
const RENEWAL_MS = 30_000;

/** Before its end a token is renewed while it still serves. */
const EARLY_MS = 300_000;
const EARLY_SHARE = 1 / 4;
/** And this long before it does not serve any more: the upstream looks at its own clock, in whole seconds. */
const MARGIN_MS = 30_000;
const MARGIN_SHARE = 1 / 2;

/** After the first failure; doubles with each one more. */
const FIRST_REST_MS = 1_000;
/** What passes by itself is worth a try now and then; what waits for a person, less often. */
const LONGEST_REST_MS = { passing: 60_000, lasting: 300_000 } as const;

/** A fresh token that the upstream refuses too is no reason to fetch another one soon. */
const REFUSED_REST_MS = 300_000;

interface Current {
  readonly token: Secret;
  /** By Date.now(): a machine that slept has the time right, other clocks have not. */
  readonly earlyAt: number;
  readonly endsAt: number;
}

interface Failed {
  readonly error: TokenError;
  readonly until: number;
  /** The refresh token that failed; another one is worth a try at once. */
  readonly tried: string | undefined;
}

export interface TokenSurroundings {
  readonly fetch: HttpsFetch;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export class RenewingToken {
  readonly #account: OAuthAccount;
  readonly #endpoint: TokenEndpoint;
  readonly #store: LoginStore;
  readonly #log: Log;
  readonly #now: () => number;
  #current: Current | undefined;
  #renewal: Promise<Secret> | undefined;
  #failed: Failed | undefined;
  #failures = 0;
  #tried: string | undefined;
  #mayForceAt = 0;
  /** A login that could not be stored, and the one on disk that it replaces. */
  #unstored: { readonly login: StoredLogin; readonly replaces: string } | undefined;

  constructor(account: OAuthAccount, { fetch, log, now = Date.now }: TokenSurroundings) {
    this.#account = account;
    this.#endpoint = new TokenEndpoint(account, fetch);
    this.#store = new LoginStore(account);
    this.#log = log;
    this.#now = now;
  }

  /**
   * A token that counts for some time yet.
   *
   * @param signal ends the waiting, not the renewal: others may wait for it
   * @throws {RelayError} auth, with a reason of `TokenReason`
   */
  async accessToken(signal: AbortSignal): Promise<Secret> {
    const current = this.#current;
    try {
      if (current === undefined || this.#now() >= current.endsAt)
        return await unlessAborted(this.#renewed(), signal, timedOut);
      if (this.#now() >= current.earlyAt) this.#renewed().catch(() => undefined); // told to the log
      return current.token;
    } catch (error) {
      throw error instanceof TokenError ? authFailure(error) : error;
    }
  }

  /** To be told when the upstream refused the token: the next one who asks gets a fresh one, once in a while. */
  refused(token: Secret): void {
    if (this.#current?.token !== token || this.#now() < this.#mayForceAt) return;
    this.#mayForceAt = this.#now() + REFUSED_REST_MS;
    this.#current = undefined;
  }

  /** Resolves when no refresh token is on its way: the one that was used for it may count no more. */
  async settled(): Promise<void> {
    if (this.#account.grant.kind === 'refresh-token') await this.#renewal?.catch(() => undefined); // it was told
  }

  async #renewed(): Promise<Secret> {
    this.#renewal ??= this.#renewUnlessResting().finally(() => (this.#renewal = undefined));
    return this.#renewal;
  }

  async #renewUnlessResting(): Promise<Secret> {
    const failed = this.#failed;
    if (failed !== undefined && this.#now() < failed.until && !(await this.#hasNewLogin(failed)))
      throw failed.error;
    const begun = this.#now();
    try {
      const reply = await this.#ask();
      this.#succeeded(reply, begun);
      return reply.accessToken;
    } catch (error) {
      if (error instanceof TokenError) this.#hasFailed(error);
      throw error;
    }
  }

  async #ask(): Promise<TokenReply> {
    const signal = AbortSignal.timeout(RENEWAL_MS);
    switch (this.#account.grant.kind) {
      case 'client-credentials':
        return this.#endpoint.clientCredentials(signal);
      case 'service-account':
        return this.#endpoint.serviceAccount(signal);
      case 'refresh-token':
        return this.#store.exclusively(signal, async () => this.#refresh(signal));
    }
  }

  /** Another process may have put another refresh token in the place of the one we knew: it is read each time. */
  async #refresh(signal: AbortSignal): Promise<TokenReply> {
    const login = await this.#login();
    this.#tried = login?.refreshToken.reveal();
    if (login === undefined) throw new TokenError('token-login-missing', this.#store.file);
    const reply = await this.#endpoint.refresh(login.refreshToken, signal);
    const { refreshToken = login.refreshToken } = reply;
    // One that could not be stored before is still to be stored.
    if (refreshToken.reveal() !== this.#tried || login === this.#unstored?.login)
      await this.#keep({ refreshToken, seed: login.seed });
    return reply;
  }

  async #login(): Promise<StoredLogin | undefined> {
    const login = await this.#storedLogin();
    const isOutdated = login !== undefined && login.refreshToken.reveal() === this.#unstored?.replaces;
    return isOutdated ? this.#unstored?.login : login;
  }

  /** What is stored counts; but a refresh token that the operator has changed since counts before it. */
  async #storedLogin(): Promise<StoredLogin | undefined> {
    const { grant } = this.#account;
    const stored = await this.#store.read();
    if (grant.kind !== 'refresh-token' || grant.seed === undefined) return stored;
    const seed = seedOf(grant.seed);
    return stored?.seed === seed ? stored : { refreshToken: grant.seed, seed };
  }

  /** The token that came with it is good, whatever becomes of the file. */
  async #keep(login: StoredLogin): Promise<void> {
    try {
      await this.#store.write(login);
      this.#unstored = undefined;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      const replaces = this.#unstored?.replaces ?? this.#tried ?? '';
      this.#unstored = { login, replaces };
      this.#log.emit('token.unstored', { ...this.#who, detail: error.detail });
    }
  }

  async #hasNewLogin({ tried }: Failed): Promise<boolean> {
    if (this.#account.grant.kind !== 'refresh-token') return false;
    const login = await this.#login().catch(() => undefined); // what is wrong with it was told
    return login !== undefined && login.refreshToken.reveal() !== tried;
  }

  /** @param begun when it was asked for: it may have been made at once, and have been long on its way */
  #succeeded({ accessToken: token, lifetimeMs }: TokenReply, begun: number): void {
    const marginMs = Math.min(MARGIN_MS, lifetimeMs * MARGIN_SHARE);
    const earlyMs = Math.min(EARLY_MS, marginMs + lifetimeMs * EARLY_SHARE);
    const end = begun + lifetimeMs;
    this.#current = { token, earlyAt: end - earlyMs, endsAt: end - marginMs };
    this.#failed = undefined;
    this.#failures = 0;
    const ms = Math.max(0, this.#now() - begun);
    this.#log.emit('token.renewed', { ...this.#who, seconds: Math.round(lifetimeMs / 1_000), ms });
  }

  #hasFailed(error: TokenError): void {
    const longest = isPassing(error) ? LONGEST_REST_MS.passing : LONGEST_REST_MS.lasting;
    const restMs = Math.min(longest, FIRST_REST_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#failed = { error, until: this.#now() + restMs, tried: this.#tried };
    const { reason, detail } = error;
    this.#log.emit('token.refused', { ...this.#who, reason, detail });
  }

  get #who(): { readonly host: string; readonly grant: OAuthAccount['grant']['kind'] } {
    return { host: this.#endpoint.host, grant: this.#account.grant.kind };
  }
}

function authFailure(error: TokenError): RelayError {
  const { reason, detail } = error;
  return new RelayError({ kind: 'auth', phase: 'auth', reason, detail }, { cause: error });
}

function timedOut(): TokenError {
  return new TokenError('token-endpoint-unreachable', 'timeout');
}
