/**
 * Looks at a port as any stranger could: TCP, greeting, STARTTLS, handshake, chain.
 *
 * Guarantees: a connection of its own, on which nothing is said but EHLO, STARTTLS, QUIT and a handshake; whatever
 * happens is a finding, never an error; nobody is believed.
 */
import type { Socket } from 'node:net';

import { RelayError, type Failure } from '../protocol/failure.ts';
import { replyText } from '../protocol/reply.ts';
import { connectTcp } from '../tls/connect-tcp.ts';
import { HandshakeError, NO_SERVER_HELLO, type Patience } from '../tls/handshake-end.ts';
import { presentedChain, type PresentedChain } from '../tls/presented-chain.ts';
import type { Trust } from '../tls/trust.ts';
import { Deadline } from '../upstream/deadline.ts';
import { PlainHop } from '../upstream/plain-hop.ts';
import type { HopSettings } from '../upstream/target.ts';
import { wayText, type Way } from '../upstream/way.ts';
import { describeChain } from './describe-chain.ts';
import type { HandshakeFinding, ProbeFinding, Speech, TcpFinding } from './findings.ts';
import { shown } from './foreign-text.ts';

export interface ProbeOptions {
  readonly addresses: readonly string[];
  readonly trust: Trust;
  readonly settings: HopSettings;
  /** Ends everything. */
  readonly deadline: Deadline;
  /** For each of the two ways of beginning, milliseconds. */
  readonly attemptMs: number;
}

/** Of what is left: silence is noticed before the time is up. */
const FIRST_OCTET_SHARE = 0.8;

/** Whoever has not greeted by then does not, or is in no hurry. */
const GREETING_MS = 6_000;

/** What OpenSSL says of an answer that is no TLS record. */
const NOT_TLS: readonly string[] = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];
/** Only who speaks TLS sends an alert, or an old version of it. */
const REFUSED_IN_TLS = /ALERT|UNSUPPORTED_PROTOCOL/;

export class Probe {
  readonly #way: Way;
  readonly #options: ProbeOptions;
  #tcp: TcpFinding | undefined;
  #speaks: Speech | undefined;
  #greeting: string | undefined;
  #offersStarttls: boolean | undefined;
  #handshake: HandshakeFinding | undefined;
  /** With something, at least once. */
  #hasAnswered = false;
  /** Whether every attempt ended by the other side's hanging up without a word. */
  #onlyHangsUp = true;

  constructor(way: Way, options: ProbeOptions) {
    this.#way = way;
    this.#options = options;
  }

  /** Begins as the way has it; where the port does not understand that, the other way round. */
  async run(): Promise<ProbeFinding> {
    const isImplicit = this.#way.endpoint.tls === 'implicit';
    await (isImplicit ? this.#atOnce() : this.#inClear());
    if (this.#isConnected && this.#speaks === undefined)
      await (isImplicit ? this.#inClear() : this.#atOnce());
    this.#speaks ??= this.#hasAnswered ? 'other' : undefined;
    if (this.#isConnected) this.#speaks ??= this.#onlyHangsUp ? 'hangs-up' : 'nothing';
    return {
      tcp: this.#tcp,
      speaks: this.#speaks,
      greeting: this.#greeting,
      offersStarttls: this.#offersStarttls,
      handshake: this.#handshake,
    };
  }

  /** At the first attempt; a later one may have no time left for it. */
  get #isConnected(): boolean {
    return this.#tcp !== undefined && 'address' in this.#tcp;
  }

  async #atOnce(): Promise<void> {
    const [reference] = this.#way.references;
    const failure = await this.#withOrWithoutHybrids(async (trust, ms) =>
      this.#attempt(ms, async (socket, patience) => {
        this.#describe(await presentedChain(socket, reference, trust, patience));
        this.#speaks = 'tls';
      }),
    );
    if (failure?.kind !== 'tls') return;
    if (REFUSED_IN_TLS.test(failure.reason)) this.#speaks = 'tls';
    if (NOT_TLS.includes(failure.reason)) this.#hasAnswered = true;
  }

  async #inClear(): Promise<void> {
    const failure = await this.#withOrWithoutHybrids(async (trust, ms) => this.#greeted(trust, ms));
    if (failure?.kind === 'session-refused') {
      this.#speaks = 'smtp';
      this.#greeting ??= shown(replyText(failure.reply));
    }
    if (failure?.kind === 'protocol') this.#hasAnswered = true;
  }

  async #greeted(trust: Trust, ms: number): Promise<Failure | undefined> {
    const { settings } = this.#options;
    const [reference] = this.#way.references;
    const commandMs = Math.min(settings.timeouts.commandMs, ms, GREETING_MS);
    return this.#attempt(ms, async (socket, patience, deadline) => {
      const timeouts = { ...settings.timeouts, commandMs };
      const plain = await PlainHop.greet(socket, { ...settings, timeouts, deadline, mayAuth });
      this.#speaks = 'smtp';
      this.#greeting = shown(replyText(plain.greeting));
      this.#offersStarttls = plain.offersStarttls;
      this.#describe(await plain.presentedChain(reference, trust, patience));
    });
  }

  /** Once more with a smaller ClientHello where not one octet comes back for a large one, as a hop would do. */
  async #withOrWithoutHybrids(
    attempt: (trust: Trust, ms: number) => Promise<Failure | undefined>,
  ): Promise<Failure | undefined> {
    const { trust, attemptMs } = this.#options;
    const { classical } = trust;
    if (classical === undefined) return attempt(trust, attemptMs);
    const failure = await attempt(trust, attemptMs / 2);
    const isStall = failure?.kind === 'tls' && failure.reason === NO_SERVER_HELLO;
    return isStall ? attempt(classical, attemptMs / 2) : failure;
  }

  /** @returns why it did not come to its end */
  async #attempt(
    ms: number,
    use: (socket: Socket, patience: Patience, deadline: Deadline) => Promise<void>,
  ): Promise<Failure | undefined> {
    const { addresses, deadline: total } = this.#options;
    using deadline = new Deadline(Math.min(ms, total.remainingMs));
    const signal = AbortSignal.any([deadline.signal, total.signal]);
    const began = performance.now();
    let socket: Socket | undefined;
    try {
      socket = await connectTcp({ ...wayText(this.#way), addresses }, signal);
      this.#tcp ??= { address: socket.remoteAddress ?? '', ms: Math.round(performance.now() - began) };
      await use(socket, { signal, firstOctetMs: deadline.remainingMs * FIRST_OCTET_SHARE }, deadline);
      return undefined;
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const { failure } = error;
      if (socket === undefined && 'reason' in failure) this.#tcp ??= { reason: failure.reason };
      if (!isHangUp(error)) this.#onlyHangsUp = false;
      return failure;
    }
  }

  #describe(chain: PresentedChain): void {
    this.#handshake = describeChain(chain);
  }
}

/** Before its first octet; a server that never sends one makes us run out of time instead. */
function isHangUp({ failure, cause }: RelayError): boolean {
  if (failure.kind === 'tls') return failure.reason === NO_SERVER_HELLO && hasCause(cause);
  return failure.kind === 'unreachable' && failure.phase === 'greeting' && failure.reason !== 'timeout';
}

/** Nothing but the end of the connection leaves an error behind the missing ServerHello. */
function hasCause(error: unknown): boolean {
  return error instanceof HandshakeError && error.cause !== undefined;
}

async function mayAuth(): Promise<void> {
  return undefined; // nobody logs in here
}
