/**
 * The verdict on a port: what comes of opening a hop to it, by the very path that the relay takes.
 *
 * Guarantees: it is `secured` only when the relay would have a hop that it can send mail on.
 */
import type { Log } from '../log/log.ts';
import { RelayError, type Extension, type Failure } from '../protocol/failure.ts';
import { replyText } from '../protocol/reply.ts';
import type { Deadline } from '../upstream/deadline.ts';
import { WayOpener, type HopSurroundings } from '../upstream/open-way.ts';
import type { SecuredHop } from '../upstream/secured-hop.ts';
import type { Target } from '../upstream/target.ts';
import type { Way } from '../upstream/way.ts';
import type { SecuredFinding } from './findings.ts';
import { shown, shownList } from './foreign-text.ts';
import { LoginNotTried, type LoginTurns } from './login-turns.ts';

/** What came of a port. */
export interface Outcome {
  /** Why mail would not be delivered; undefined when it would. */
  readonly failed?: Failure | LoginNotTried | undefined;
  readonly secured?: SecuredFinding | undefined;
  /** That logged us in, if any did. */
  readonly mechanism?: string | undefined;
}

export interface VerdictOptions {
  readonly around: HopSurroundings;
  readonly deadline: Deadline;
  /** Aborts when the probe has shown that waiting leads nowhere. */
  readonly givenUp: AbortSignal;
  readonly turns: LoginTurns;
  /** What the upstream must offer. */
  readonly needed: Extension | undefined;
}

/** What happens here is told once, by the findings. */
const SILENT: Log = { emit: () => undefined };

export class VerdictFinder {
  readonly #target: Target;
  readonly #way: Way;
  readonly #options: VerdictOptions;
  readonly #connections: Promise<void>[] = [];

  constructor(target: Target, way: Way, options: VerdictOptions) {
    this.#target = target;
    this.#way = way;
    this.#options = options;
  }

  /** Where the login fails, what the server offers is found out without one. */
  async find(): Promise<Outcome> {
    const outcome = await this.#open(this.#target);
    if (!hasFailedAtLogin(outcome)) return outcome;
    const { secured } = await this.#open({ ...this.#target, credentials: undefined });
    return { ...outcome, secured };
  }

  /** Resolves when the server has seen the end of every connection. */
  async gone(): Promise<void> {
    await Promise.all(this.#connections);
  }

  async #open(target: Target): Promise<Outcome> {
    const { around, deadline, givenUp, turns } = this.#options;
    const ended = Promise.withResolvers<void>();
    const mayAuth = async (): Promise<void> => turns.take(ended.promise, deadline.signal);
    try {
      const quiet = { ...around, log: SILENT };
      const { hop } = await new WayOpener(target, this.#way, quiet, deadline, { givenUp, mayAuth }).open();
      this.#connections.push(hop.quit());
      return { failed: this.#lack(hop), secured: describeHop(hop), mechanism: hop.mechanism };
    } catch (error) {
      if (error instanceof LoginNotTried) return { failed: error };
      if (!(error instanceof RelayError)) throw error;
      if (error.failure.kind === 'auth') turns.refused(this.#way.endpoint.port);
      return { failed: error.failure };
    } finally {
      ended.resolve();
    }
  }

  #lack({ capabilities }: SecuredHop): Failure | undefined {
    const { needed } = this.#options;
    if (needed === undefined || capabilities.has(needed)) return undefined;
    return { kind: 'unsupported', extension: needed };
  }
}

function hasFailedAtLogin({ failed }: Outcome): boolean {
  if (failed === undefined || failed instanceof LoginNotTried) return failed !== undefined;
  return failed.kind === 'auth' || ('phase' in failed && failed.phase === 'auth');
}

function describeHop({ evidence, capabilities, greeting }: SecuredHop): SecuredFinding {
  const { authenticatedBy, name, protocol, cipher, group } = evidence;
  return {
    authenticatedBy,
    name,
    protocol,
    cipher,
    group,
    greeting: greeting === undefined ? undefined : shown(replyText(greeting)),
    offers: {
      auth: shownList(capabilities.authMechanisms),
      requireTls: capabilities.has('REQUIRETLS'),
      chunking: capabilities.has('CHUNKING'),
      pipelining: capabilities.has('PIPELINING'),
      eightBitMime: capabilities.has('8BITMIME'),
      smtpUtf8: capabilities.has('SMTPUTF8'),
      size: capabilities.maxMessageOctets,
    },
  };
}
