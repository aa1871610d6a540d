/**
 * From a list of targets to one secured hop.
 *
 * Guarantees: every way it tries ends in verified TLS or in a failure; a failure never makes the next try weaker.
 */
import type { Log } from '../log/log.ts';
import { newId } from '../log/id.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { Trust } from '../tls/trust.ts';
import { VerifiedTls } from '../tls/verified-tls.ts';
import { connectTcp } from './connect-tcp.ts';
import { Deadline } from './deadline.ts';
import { PlainHop } from './plain-hop.ts';
import { SecuredHop, type Opening } from './secured-hop.ts';
import type { Endpoint, HopSettings, Target } from './target.ts';

/** How long the preferred endpoint is waited for before the next one joins. */
const JOIN_MS = 2_000;

/** A hop with the names that the log knows it by. */
export interface OpenHop {
  readonly hid: string;
  readonly target: Target;
  readonly endpoint: Endpoint;
  readonly hop: SecuredHop;
}

/** Opens hops; remembers for each target which endpoint worked. */
export class HopOpener {
  readonly #targets: readonly Target[];
  readonly #settings: HopSettings;
  readonly #trust: Trust;
  readonly #log: Log;
  readonly #worked = new Map<Target, Endpoint>();

  constructor(targets: readonly Target[], settings: HopSettings, trust: Trust, log: Log) {
    this.#targets = targets;
    this.#settings = settings;
    this.#trust = trust;
    this.#log = log;
  }

  /**
   * Tries the targets in order, all within the connect timeout: each may use an equal share of what is left.
   *
   * @throws {RelayError} the last target's failure
   */
  async open(): Promise<OpenHop> {
    using total = new Deadline(this.#settings.timeouts.connectMs);
    let failed: RelayError | undefined;
    for (const [index, target] of this.#targets.entries()) {
      try {
        return await this.#openTarget(target, total.remainingMs / (this.#targets.length - index));
      } catch (error) {
        failed = asRelayError(error);
      }
    }
    throw failed ?? new TypeError('no upstream is configured');
  }

  async #openTarget(target: Target, shareMs: number): Promise<OpenHop> {
    using deadline = new Deadline(shareMs);
    const opened = await firstToOpen(this.#inOrder(target), async (endpoint, race) =>
      this.#openEndpoint(target, endpoint, deadline, race),
    );
    this.#worked.set(target, opened.endpoint);
    return opened;
  }

  /** What worked last goes first; the others stay, because each is as secure. */
  #inOrder(target: Target): readonly Endpoint[] {
    const first = this.#worked.get(target);
    if (first === undefined) return target.endpoints;
    return [first, ...target.endpoints.filter((endpoint) => endpoint !== first)];
  }

  async #openEndpoint(
    target: Target,
    endpoint: Endpoint,
    deadline: Deadline,
    { givenUp, mayAuth }: Race,
  ): Promise<OpenHop> {
    const hid = newId();
    const began = performance.now();
    const ids = { hid, host: target.host, port: endpoint.port };
    const sinceBegin = (): number => Math.round(performance.now() - began);
    let address = '';
    try {
      const signal = AbortSignal.any([deadline.signal, givenUp]);
      const socket = await connectTcp(target.host, endpoint.port, signal);
      address = socket.remoteAddress ?? '';
      this.#log.emit('hop.connected', { ...ids, address, ms: sinceBegin() });
      const destroy = (): void => void socket.destroy();
      givenUp.addEventListener('abort', destroy, { once: true });
      const opening = { ...this.#settings, credentials: target.credentials, deadline, mayAuth };
      const hop = await this.#secure(socket, target, endpoint, opening, signal);
      givenUp.removeEventListener('abort', destroy);
      this.#log.emit('hop.secured', { ...ids, ...hop.evidence, ms: sinceBegin() });
      return { hid, target, endpoint, hop };
    } catch (error) {
      if (!givenUp.aborted) this.#report(ids, address, asRelayError(error).failure);
      throw error;
    }
  }

  async #secure(
    socket: Awaited<ReturnType<typeof connectTcp>>,
    { identity }: Target,
    { tls }: Endpoint,
    opening: Opening,
    signal: AbortSignal,
  ): Promise<SecuredHop> {
    if (tls === 'starttls') {
      const plain = await PlainHop.greet(socket, opening);
      return plain.startTls(identity, this.#trust, signal);
    }
    const verified = await VerifiedTls.handshake(socket, identity, this.#trust, signal);
    return SecuredHop.open(verified, 'greets', opening);
  }

  #report(ids: { hid: string; host: string; port: number }, address: string, failure: Failure): void {
    if (failure.kind === 'tls') {
      const { phase, resultType, reason } = failure;
      this.#log.emit('hop.insecure', { ...ids, address, phase, resultType, reason });
    } else if ('phase' in failure) {
      const reason = 'reason' in failure ? failure.reason : String(failure.reply.code);
      this.#log.emit('hop.refused', { ...ids, address, phase: failure.phase, failure: failure.kind, reason });
    }
  }
}

/** What an endpoint knows of the others. */
interface Race {
  /** Aborts when another has won. */
  readonly givenUp: AbortSignal;
  /**
   * To be asked before credentials are offered. Then nobody joins any more, and who has joined already waits until the
   * one before has ended.
   */
  readonly mayAuth: () => Promise<void>;
}

/**
 * Starts with the first; the next joins when one fails or none has opened for a while; the first to open wins and the
 * others are given up. Credentials that are refused are not offered to another endpoint: that locks accounts.
 *
 * @throws the failure that tells most, when all have failed
 */
async function firstToOpen(
  endpoints: readonly Endpoint[],
  open: (endpoint: Endpoint, race: Race) => Promise<OpenHop>,
): Promise<OpenHop> {
  const losers = new AbortController();
  const waiting = [...endpoints];
  const failures: RelayError[] = [];
  return new Promise((resolve, reject) => {
    let isSettled = false;
    let timer: NodeJS.Timeout | undefined;
    let turn = Promise.resolve();
    const startNext = (): void => {
      clearTimeout(timer);
      const endpoint = waiting.shift();
      if (endpoint === undefined) return;
      if (waiting.length > 0) timer = setTimeout(startNext, JOIN_MS);
      const ended = Promise.withResolvers<void>();
      const mayAuth = async (): Promise<void> => {
        clearTimeout(timer);
        const before = turn;
        turn = ended.promise;
        return before;
      };
      void open(endpoint, { givenUp: losers.signal, mayAuth }).then(win, lose).finally(ended.resolve);
    };
    const settle = (): void => {
      isSettled = true;
      clearTimeout(timer);
      losers.abort();
    };
    const win = (opened: OpenHop): void => {
      if (isSettled) return void opened.hop.quit();
      settle();
      return resolve(opened);
    };
    const lose = (error: unknown): void => {
      if (isSettled) return;
      if (error instanceof RelayError && error.failure.kind !== 'auth') {
        failures.push(error);
        if (failures.length < endpoints.length) return startNext();
      }
      settle();
      reject(failures.length === endpoints.length ? mostTelling(failures) : error);
    };
    startNext();
  });
}

const TELLING: readonly Failure['kind'][] = [
  'auth',
  'tls',
  'session-refused',
  'protocol',
  'lost',
  'unreachable',
  'dns',
];

/** "The certificate is wrong" on one port says more than "refused" on the other. */
function mostTelling(failures: readonly RelayError[]): RelayError {
  return failures.reduce((best, error) => (rank(error) < rank(best) ? error : best));
}

function rank({ failure }: RelayError): number {
  // Of two insecure ports, the one that failed for no better reason than "it failed" says less.
  const vague = failure.kind === 'tls' && failure.resultType === 'validation-failure' ? 0.5 : 0;
  return TELLING.indexOf(failure.kind) + vague;
}

/** @throws what is a mistake of ours */
function asRelayError(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  throw error;
}
