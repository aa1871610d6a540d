/**
 * AUTH in one client's session (RFC 4954).
 *
 * Guarantees: one exchange at a time and one success at most; a failure is answered later each time, and a few of them
 * end the session; what a client presents is shown to the judge alone.
 */
import { setTimeout as pause } from 'node:timers/promises';

import type { Log } from '../log/log.ts';
import { ownReply, replyText, type Reply } from '../protocol/reply.ts';
import type { Accepted, ClientAuth } from './client-auth.ts';
import {
  initialResponse,
  saslExchange,
  type ClientMechanism,
  type Fault,
  type Proof,
  type SaslExchange,
  type Step,
} from './sasl-exchange.ts';

export interface LoginClient {
  readonly sid: string;
  readonly address: string;
  /** Ours, for the challenge of CRAM-MD5. */
  readonly hostname: string;
  readonly log: Log;
}

/** What is offered to clients, and who judges what they present. */
export type LoginRules = Pick<ClientAuth, 'isRequired' | 'mechanisms' | 'takesClearText' | 'judge'>;

export interface LoginState {
  readonly isTls: boolean;
  readonly isInTransaction: boolean;
}

/** Failures of one session; the last is answered with 421. */
const MAX_FAILURES = 3;

/** So much longer with each failure. */
const DELAY_MS = 1_000;

const SUCCESS = ownReply([235, '2.7.0'], 'Authentication successful');
const IN_TRANSACTION = ownReply([503, '5.5.1'], 'A transaction is under way; AUTH comes before MAIL.');
const ALREADY = ownReply([503, '5.5.1'], 'You are logged in already.');
const NEEDS_TLS =
  'Logging in needs TLS here; the operator accepts clear text with SEALPOST_CLIENT_AUTH_CLEAR_NETWORKS.';
const LOGIN_NEEDS_TLS = ownReply([538, '5.7.11'], NEEDS_TLS);
const TOO_MANY = ownReply([421, '4.7.0'], 'Too many logins of this session have failed.');
const MAIL_NEEDS_TLS = ownReply([530, '5.7.0'], `This relay takes mail after AUTH only. ${NEEDS_TLS}`);
const MAIL_NEEDS_LOGIN = ownReply([530, '5.7.0'], 'Log in first: this relay takes mail after AUTH only.');

const FAULTS: { readonly [F in Fault]: Reply } = {
  cancelled: ownReply([501, '5.7.0'], 'Authentication cancelled'),
  'not-base64': ownReply([501, '5.5.2'], 'The response to AUTH is not base64.'),
  malformed: ownReply([501, '5.5.2'], 'The response to AUTH is not understood.'),
  'unexpected-response': ownReply([501, '5.7.0'], 'This mechanism takes no initial response.'),
};

export class Login {
  readonly #auth: LoginRules;
  readonly #client: LoginClient;
  #exchange: SaslExchange | undefined;
  #accepted: Accepted | undefined;
  #failures = 0;
  #isJudging = false;
  readonly #gone = new AbortController();

  constructor(auth: LoginRules, client: LoginClient) {
    this.#auth = auth;
    this.#client = client;
  }

  /** Who the client has shown to be; undefined before. */
  get accepted(): Accepted | undefined {
    return this.#accepted;
  }

  /** What EHLO says of it, if it is of use now. */
  keyword(isTls: boolean): string | undefined {
    if (this.#accepted !== undefined || !this.#isAllowed(isTls)) return undefined;
    return `AUTH ${this.#auth.mechanisms.join(' ')}`;
  }

  /** The refusal of MAIL, if it is. */
  mailRefusal(isTls: boolean): Reply | undefined {
    if (!this.#auth.isRequired || this.#accepted !== undefined) return undefined;
    return this.#isAllowed(isTls) ? MAIL_NEEDS_LOGIN : MAIL_NEEDS_TLS;
  }

  /**
   * AUTH.
   *
   * @param argument what follows the verb
   * @returns with code 334 when a response is to come: then `next` follows
   */
  async begin(argument: string, { isTls, isInTransaction }: LoginState): Promise<Reply> {
    if (isInTransaction) return IN_TRANSACTION;
    if (this.#accepted !== undefined) return ALREADY;
    if (!this.#isAllowed(isTls)) return LOGIN_NEEDS_TLS;
    const [name = '', response, ...more] = argument.trim().split(/ +/);
    const mechanism = this.#auth.mechanisms.find((one) => one === name.toUpperCase());
    if (name === '' || more.length > 0)
      return ownReply([501, '5.5.4'], 'The form is AUTH MECHANISM [RESPONSE].');
    if (mechanism === undefined) return ownReply([504, '5.5.4'], 'This mechanism is not offered.');
    this.#exchange = saslExchange(mechanism, this.#client.hostname);
    const initial = response === undefined ? undefined : initialResponse(response);
    if (response !== undefined && initial === undefined) return FAULTS['not-base64'];
    return this.#take(this.#exchange, this.#exchange.begin(initial));
  }

  /** The line that answers a 334. */
  async next(response: string): Promise<Reply> {
    const exchange = this.#exchange;
    if (exchange === undefined) return FAULTS.malformed;
    return this.#take(exchange, exchange.next(response.trim()));
  }

  /** RFC 3207 §4.2: who the client was before TLS counts no more. */
  forget(): void {
    this.#accepted?.account?.release();
    this.#accepted = undefined;
    this.#exchange = undefined;
  }

  /** The client is gone. */
  end(): void {
    if (this.#isJudging) this.#gone.abort(); // which makes an exception with its stack: too dear for each session
    this.forget();
  }

  #isAllowed(isTls: boolean): boolean {
    return isTls || this.#auth.takesClearText(this.#client.address);
  }

  async #take(exchange: SaslExchange, step: Step): Promise<Reply> {
    if ('challenge' in step) return { code: 334, lines: [step.challenge] };
    this.#exchange = undefined;
    if ('fault' in step) return FAULTS[step.fault];
    this.#isJudging = true;
    try {
      return await this.#judge(exchange.mechanism, step.proof);
    } finally {
      this.#isJudging = false;
    }
  }

  async #judge(mechanism: ClientMechanism, proof: Proof): Promise<Reply> {
    const { sid, address, log } = this.#client;
    const verdict = await this.#auth.judge({ proof, address, signal: this.#gone.signal });
    if ('refusal' in verdict) {
      log.emit('login.refused', { sid, client: address, mechanism, reply: replyText(verdict.refusal) });
      return verdict.isCounted ? this.#failed(verdict.refusal) : verdict.refusal;
    }
    this.#accepted = verdict;
    if (this.#gone.signal.aborted) this.forget();
    log.emit('login.accepted', { sid, mechanism, user: verdict.user });
    return SUCCESS;
  }

  async #failed(refusal: Reply): Promise<Reply> {
    this.#failures += 1;
    const { signal } = this.#gone;
    await pause(this.#failures * DELAY_MS, undefined, { signal }).catch(() => undefined);
    return this.#failures < MAX_FAILURES ? refusal : TOO_MANY;
  }
}
