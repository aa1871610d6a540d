/**
 * How clients show who they are: what SEALPOST_CLIENT_AUTH says, as one judge that all listeners share.
 *
 * Guarantees: where logging in is asked for, only the users of the file or of the upstream get in; a password that came
 * over a network in clear text is looked at only where the operator accepts that.
 */
import { describeError } from '../log/describe-error.ts';
import { RelayError } from '../protocol/failure.ts';
import { ownReply, type Reply } from '../protocol/reply.ts';
import type { Secret } from '../protocol/secret.ts';
import { ClientAccounts, type AccountsOptions, type ClientAccount } from '../relay/client-accounts.ts';
import { INTERNAL_ERROR } from '../relay/failure-reply.ts';
import { loginRefusal } from '../relay/login-refusal.ts';
import { Networks } from '../relay/networks.ts';
import { hintsOf } from '../relay/refusal-hint.ts';
import type { RelayContext } from '../relay/relay-context.ts';
import type { Target } from '../upstream/target.ts';
import { FailedLogins } from './failed-logins.ts';
import { Gate } from './gate.ts';
import type { ClientMechanism, Proof } from './sasl-exchange.ts';
import { UserCheck } from './user-check.ts';
import type { ClientUsers } from './user-file.ts';

export type ClientAuthMode = 'none' | 'any' | 'users' | 'passthrough';

export interface ClientAuthOptions {
  readonly clientAuth: ClientAuthMode;
  /** Needed with `users`. */
  readonly clientUsers: ClientUsers | undefined;
  /** Where a password may come in clear text, besides loopback. */
  readonly clientAuthClearNetworks: readonly string[];
  /** For `passthrough`. */
  readonly accounts: Pick<AccountsOptions, 'mechanisms' | 'idleMs'>;
}

export interface Attempt {
  readonly proof: Proof;
  readonly address: string;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

export interface Accepted {
  /** Undefined where anybody is. */
  readonly user: string | undefined;
  /** Where its mail goes, if not where everybody's does. */
  readonly account?: ClientAccount;
}

export interface Refused {
  readonly refusal: Reply;
  /** Whether it counts against the client; else somebody else is at fault. */
  readonly isCounted: boolean;
}

export type Verdict = Accepted | Refused;

/** Knows how to judge what a client presents. */
interface Judge {
  readonly mechanisms: readonly ClientMechanism[];
  judge(attempt: Attempt, isAdmitted: () => boolean): Promise<Verdict>;
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

const WRONG = counted(ownReply([535, '5.7.8'], 'The user name or password is wrong.'));
const NOT_ADMITTED = counted(
  ownReply(
    [454, '4.7.0'],
    'Too many logins from this address, or with this name, have failed; correct the user name and password, and try again in ten minutes.',
  ),
);
const OVERLOADED: Refused = {
  refusal: ownReply([454, '4.7.0'], 'Too many logins are under way; try again later.'),
  isCounted: false,
};

export class ClientAuth {
  /** Whether MAIL needs a login. */
  readonly isRequired: boolean;
  #judge: Judge;
  readonly #clear: Networks;
  readonly #failed = new FailedLogins();

  constructor(options: ClientAuthOptions, relay: RelayContext) {
    this.isRequired = options.clientAuth !== 'any';
    this.#judge = judgeFor(options, relay);
    this.#clear = new Networks([...LOOPBACK, ...options.clientAuthClearNetworks]);
  }

  /** Takes other users from now on, where there are users; who is logged in stays so. */
  renew(users: ClientUsers | undefined): void {
    if (this.#judge instanceof UserJudge) this.#judge = userJudge(users);
  }

  get mechanisms(): readonly ClientMechanism[] {
    return this.#judge.mechanisms;
  }

  takesClearText(address: string): boolean {
    return this.#clear.has(address);
  }

  async judge(attempt: Attempt): Promise<Verdict> {
    const { address, proof } = attempt;
    const isAdmitted = (): boolean => this.#failed.admits(address, proof);
    if (!isAdmitted()) return NOT_ADMITTED;
    const verdict = await this.#judge.judge(attempt, isAdmitted);
    if (!('refusal' in verdict)) this.#failed.succeeded(address, proof);
    else if (verdict.isCounted) this.#failed.failed(address, proof);
    return verdict;
  }
}

function judgeFor({ clientAuth, clientUsers, accounts }: ClientAuthOptions, relay: RelayContext): Judge {
  switch (clientAuth) {
    case 'users':
      return userJudge(clientUsers);
    case 'passthrough':
      return new PassthroughJudge(relay, accounts);
    case 'any':
    case 'none': // then nobody asks
      return ANYBODY;
  }
}

/** Devices that insist on AUTH: whatever they say is accepted, looked at by nobody and kept nowhere. */
const ANYBODY: Judge = {
  mechanisms: ['PLAIN', 'LOGIN'],
  judge: async () => Promise.resolve({ user: undefined }),
};

class UserJudge implements Judge {
  readonly mechanisms: readonly ClientMechanism[];
  readonly #check: UserCheck;

  constructor(check: UserCheck) {
    this.#check = check;
    this.mechanisms = check.knowsSecret ? ['PLAIN', 'LOGIN', 'CRAM-MD5'] : ['PLAIN', 'LOGIN'];
  }

  async judge({ proof, signal }: Attempt, isAdmitted: () => boolean): Promise<Verdict> {
    switch (await this.#check.judge(proof, isAdmitted, signal)) {
      case 'right':
        return { user: proof.user };
      case 'wrong':
        return WRONG;
      case 'not-admitted':
        return NOT_ADMITTED;
      case 'overloaded':
        return OVERLOADED;
    }
  }
}

function userJudge(users: ClientUsers | undefined): UserJudge {
  return new UserJudge(new UserCheck(users ?? new Map()));
}

/** Each is a connection of its own, and an upstream that sees many logins fail at once shuts out the relay. */
const UPSTREAM_LOGINS_AT_ONCE = 20;
const UPSTREAM_LOGINS_WAITING = 200;

/** SASL can carry no NUL, and two of these fit on the longest line that AUTH may have (RFC 4954 §4). */
const SASL_TEXT_OCTETS = 4_000;

class PassthroughJudge implements Judge {
  readonly mechanisms = ['PLAIN', 'LOGIN'] as const;
  readonly #relay: RelayContext;
  readonly #accounts: ClientAccounts;
  readonly #gate = new Gate(UPSTREAM_LOGINS_AT_ONCE, UPSTREAM_LOGINS_WAITING);

  constructor(relay: RelayContext, accounts: ClientAuthOptions['accounts']) {
    this.#relay = relay;
    const targets = (): readonly Target[] => relay.routes.fallback.targets;
    this.#accounts = new ClientAccounts({ ...accounts, pool: relay.pool, targets });
  }

  /** Who has been let in waits for nobody else's login. */
  async judge({ proof, signal }: Attempt, isAdmitted: () => boolean): Promise<Verdict> {
    if (proof.by !== 'password') return WRONG;
    const { user, password } = proof;
    if (!isSaslText(user) || !isSaslText(password.reveal())) return WRONG;
    if (this.#accounts.isProven(user, password)) return this.#logIn(user, password, signal);
    const verdict = await this.#gate.through(async () =>
      isAdmitted() ? this.#logIn(user, password, signal) : NOT_ADMITTED,
    );
    return verdict ?? OVERLOADED;
  }

  async #logIn(user: string, password: Secret, signal: AbortSignal): Promise<Verdict> {
    try {
      const account = await this.#accounts.logIn(user, password, signal);
      // Some providers take one token as the user and as the password.
      return { user: user === password.reveal() ? undefined : user, account };
    } catch (error) {
      return this.#refused(error);
    }
  }

  #refused(error: unknown): Refused {
    const { log, onTlsFailure, routes } = this.#relay;
    if (!(error instanceof RelayError)) {
      log.emit('internal.error', describeError(error));
      return { refusal: INTERNAL_ERROR, isCounted: false };
    }
    const { reply, isWrong } = loginRefusal(error.failure, onTlsFailure, hintsOf(routes.fallback.targets));
    return { refusal: reply, isCounted: isWrong };
  }
}

function counted(refusal: Reply): Refused {
  return { refusal, isCounted: true };
}

function isSaslText(text: string): boolean {
  return text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= SASL_TEXT_OCTETS;
}
