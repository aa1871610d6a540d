/**
 * What relays mail in one process: a pool of hops and the listeners, and how they start and end together.
 */
import { HealthProbe, type Readiness } from '../admin/health.ts';
import type { SharedCaps } from '../caps/shared-caps.ts';
import { loadOrIssue } from '../certificates/local-authority.ts';
import type { Problem } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { ClientAuth } from '../listener/client-auth.ts';
import { ClientLimits } from '../listener/client-limits.ts';
import { Listener, type Address, type ListenerIdentity, type ListenerOptions } from '../listener/listener.ts';
import type { SharedBounds } from '../listener/session-bounds.ts';
import type { Log } from '../log/log.ts';
import { errorCode } from '../protocol/error-code.ts';
import type { Measured } from '../metrics/measured-metrics.ts';
import { measureProcess, type RelayMeasures } from '../metrics/process-measures.ts';
import { HEADERS_OCTETS } from '../protocol/limits.ts';
import { AddressPolicy } from '../relay/address-policy.ts';
import { DialogueTeller } from '../relay/dialogue-teller.ts';
import { MemoryBudget } from '../relay/memory-budget.ts';
import type { RelayContext } from '../relay/relay-context.ts';
import type { RouteTable } from '../relay/routes.ts';
import type { SpoolRoute } from '../spool/runner.ts';
import type { Spool } from '../spool/spool.ts';
import type { HopLimits } from '../upstream/habits.ts';
import type { Names } from '../upstream/locate.ts';
import { HopOpener } from '../upstream/open-hop.ts';
import type { HopSurroundings } from '../upstream/open-way.ts';
import { HopPool } from '../upstream/pool.ts';
import { EXIT } from './exit.ts';
import { isSame } from './kept.ts';
import { openStorage, sharedCapsOf, spoolOf, type SpoolStorage } from './spool.ts';
import { upstreamsOf, type Upstreams } from './upstreams.ts';
import { ALONE, shareOf, type WorkerNumber } from './worker-share.ts';

/** How long transactions may go on after SIGTERM: an orchestrator's patience is 30 s at most. */
export const GRACE_MS = 25_000;

/** What `serve` starts and stops: a relay in this process, or workers. */
export interface Relaying {
  readonly health: Readiness;
  measure(): Promise<Measured>;
  /** Resolves when clients are served. @returns the exit code if they cannot be; the reason is told by then */
  start(): Promise<number | undefined>;
  /**
   * Makes what new settings need, and changes nothing yet. Only what comes from files can differ: a process's
   * environment stays as it is.
   */
  prepare(settings: Settings): Promise<Prepared>;
  /** Lets transactions end within the grace. @returns how many did not */
  stop(): Promise<number>;
  kill(): void;
}

/** New settings that are ready to be taken, or why they cannot be. */
export type Prepared = { readonly take: () => Promise<void> } | { readonly problems: readonly Problem[] };

export interface ListeningAddress extends Address {
  readonly tls: boolean;
}

export interface ListenFailure extends Address {
  /** The error's code. */
  readonly reason: string;
}

/** What is kept, and on its way to being kept, belongs to the one that was opened. */
const FIXED_SPOOL: Problem = {
  variable: 'SEALPOST_SPOOL',
  text: 'should stay as it is while the relay runs; restart it to change the spool or its password',
};

/** What has to be waited for before there can be a relay. */
interface Parts {
  readonly identity: ListenerIdentity | undefined;
  readonly storage: SpoolStorage | undefined;
  /** Undefined where this relay has the upstreams to itself. */
  readonly caps: SharedCaps | undefined;
}

export class Relay implements Relaying {
  readonly health: HealthProbe;
  readonly #log: Log;
  readonly #pool: HopPool;
  readonly #listeners: readonly { readonly listener: Listener; readonly tls: boolean }[];
  readonly #auth: ClientAuth | undefined;
  /** Shared with all that begins: what is replaced in it counts from then on. */
  readonly #context: RelayContext & { routes: RouteTable };
  readonly #around: HopSurroundings & { names: Names };
  readonly #part: WorkerNumber;
  readonly #spool: Spool | undefined;
  readonly #caps: SharedCaps | undefined;
  #settings: Settings;
  #upstreams: Upstreams;

  private constructor(settings: Settings, log: Log, { identity, storage, caps }: Parts, part: WorkerNumber) {
    const { hostname, maxOctets, lineEndings, requireTls, tlsFailureReply: onTlsFailure } = settings;
    // Those who share caps divide them by themselves.
    this.#part = caps === undefined ? part : ALONE;
    this.#upstreams = upstreamsOf(settings, log, { part: this.#part });
    const { routes, around } = this.#upstreams;
    this.#around = { ...around };
    const limits = limitsFor(settings.hopLimits, this.#part);
    const pool = new HopPool(new HopOpener(this.#around), limits, log, caps);
    const spoolRoutes = (): readonly SpoolRoute[] => [
      this.#upstreams.routes.fallback,
      ...this.#upstreams.named,
    ];
    const spool = storage && spoolOf(storage, settings, { pool, log, routes: spoolRoutes });
    const { trace } = settings;
    const addresses = new AddressPolicy(settings);
    const heads = { hostname, trace, addresses };
    const rules = { maxOctets, lineEndings, requireTls, onTlsFailure };
    const memory = new MemoryBudget(HEADERS_OCTETS);
    const dialogues =
      settings.adminListen === undefined ? undefined : new DialogueTeller(settings.statusAddresses);
    const context = { pool, spool, routes, log, memory, dialogues, ...rules, ...heads };
    this.#context = context;
    this.health = new HealthProbe(pool, () => context.routes.fallback.targets);
    this.#log = log;
    this.#pool = pool;
    this.#caps = caps;
    this.#spool = spool;
    this.#settings = settings;
    this.#auth = clientAuthOf(settings, context);
    const bounds = boundsOf(settings, part);
    this.#listeners = makeListeners(settings, context, { identity, auth: this.#auth, bounds });
  }

  /** @param part of how many processes this is one; it keeps to its share of the limits */
  static async make(settings: Settings, log: Log, part = ALONE): Promise<Relay> {
    const identity = await identityOf(settings, log);
    const storage = await openStorage(settings);
    return new Relay(settings, log, { identity, storage, caps: sharedCapsOf(settings, log) }, part);
  }

  /** Where it listens, once it does. */
  get addresses(): readonly ListeningAddress[] {
    return this.#listeners.map(({ listener, tls }) => ({ ...listener.address, tls }));
  }

  async measure(): Promise<Measured> {
    const own = await this.measureAlone();
    return { relays: [own], processes: [{ name: 'main', measures: own.process }] };
  }

  async measureAlone(): Promise<RelayMeasures> {
    const [process, spool] = await Promise.all([measureProcess(), this.#spool?.measure()]);
    return { process, hops: this.#pool.counts, spool };
  }

  async start(): Promise<number | undefined> {
    const failures = await this.listen();
    tellListenFailures(failures, this.#log);
    return failures.length > 0 ? EXIT.unavailable : undefined;
  }

  /** Starts all listeners, then hops that wait for the first client. @returns those that cannot */
  async listen(): Promise<readonly ListenFailure[]> {
    const failures: ListenFailure[] = [];
    for (const { listener } of this.#listeners) {
      const reason = await reasonNotStarted(async () => listener.start());
      if (reason !== undefined) failures.push({ ...listener.address, reason });
    }
    if (failures.length > 0) return failures;
    this.#keepReady();
    this.#spool?.start();
    return failures;
  }

  async prepare(settings: Settings): Promise<Prepared> {
    if (!isSame(settings.spool, this.#settings.spool)) return { problems: [FIXED_SPOOL] };
    const identity = await identityIn(settings, this.#log);
    if ('problems' in identity) return identity;
    const upstreams = upstreamsOf(settings, this.#log, { part: this.#part, before: this.#upstreams.kept });
    return { take: async () => Promise.resolve(this.#take(settings, upstreams, identity.found)) };
  }

  /** Transactions that have begun go on with what they have. */
  #take(settings: Settings, upstreams: Upstreams, identity: ListenerIdentity | undefined): void {
    const { clientUsers } = settings;
    if (!isSame(clientUsers, this.#settings.clientUsers)) this.#auth?.renew(clientUsers);
    if (identity !== undefined) for (const { listener } of this.#listeners) listener.present(identity);
    this.#settings = settings;
    this.#upstreams = upstreams;
    this.#around.names = upstreams.around.names;
    this.#context.routes = upstreams.routes;
    for (const target of upstreams.gone) this.#pool.retire(target);
    this.#keepReady();
  }

  /** Not where each client logs in with what is its own. */
  #keepReady(): void {
    const [first] = this.#context.routes.fallback.targets;
    if (first !== undefined && this.#settings.clientAuth !== 'passthrough') this.#pool.keepReady(first);
  }

  /** A message whose client has gone may still wait for its verdict: the pool is waited for too. */
  async stop(): Promise<number> {
    let forced = 0;
    const timer = setTimeout(() => {
      forced = this.#pool.kill();
      this.kill();
    }, GRACE_MS);
    const ending = this.#listeners.map(async ({ listener }) => listener.stop());
    await Promise.all([...ending, this.#spool?.stop()]);
    await this.#pool.close();
    await this.#caps?.close();
    await this.#spool?.close();
    await this.#upstreams.settled();
    clearTimeout(timer);
    return forced;
  }

  kill(): void {
    for (const { listener } of this.#listeners) listener.kill();
  }
}

/** Connections and messages are what an upstream counts; age and idle time belong to one connection. */
function limitsFor(limits: HopLimits, part: WorkerNumber): HopLimits {
  const { min, max, messagesPerMinute: perMinute } = limits;
  return {
    ...limits,
    min: shareOf(min, part),
    max: shareOf(max, part),
    messagesPerMinute: perMinute === Infinity ? Infinity : Math.max(1, shareOf(perMinute, part)),
  };
}

function makeListeners(
  settings: Settings,
  context: RelayContext,
  parts: Pick<ListenerOptions, 'identity' | 'auth' | 'bounds'>,
): readonly { readonly listener: Listener; readonly tls: boolean }[] {
  const {
    clientNetworks: networks,
    proxyNetworks,
    oldTlsNetworks,
    listen,
    listenTls,
    listenStarttls,
  } = settings;
  const shared = { networks, proxyNetworks, oldTlsNetworks, ...parts } as const;
  const plain = listenStarttls ? 'starttls' : 'none';
  const options: readonly ListenerOptions[] = [
    ...listen.map((address) => ({ address, tls: plain, ...shared }) as const),
    ...listenTls.map((address) => ({ address, tls: 'implicit', ...shared }) as const),
  ];
  return options.map((one) => ({ listener: new Listener(one, context), tls: one.tls === 'implicit' }));
}

/** One for all listeners; each process has its share of the clients. */
function boundsOf({ clientLimits, clientPace: pace }: Settings, part: WorkerNumber): SharedBounds {
  return {
    limits: new ClientLimits(
      { ...clientLimits, clients: shareOf(clientLimits.clients, part) },
      part.workers > 1,
    ),
    pace,
  };
}

/** One for all listeners: who fails on one has failed on the others too. */
function clientAuthOf(settings: Settings, context: RelayContext): ClientAuth | undefined {
  if (settings.clientAuth === 'none') return undefined;
  const { passwordMechanisms: mechanisms, hopLimits } = settings;
  return new ClientAuth({ ...settings, accounts: { mechanisms, idleMs: hopLimits.idleMs } }, context);
}

/** The certificate of listeners that speak TLS, if there are any: the operator's, or one that the local CA issues. */
export async function identityOf(settings: Settings, log: Log): Promise<ListenerIdentity | undefined> {
  const { listenIdentity, listenStarttls, listenTls, stateDirectory } = settings;
  if (!listenStarttls && listenTls.length === 0) return undefined;
  if (listenIdentity !== undefined) return listenIdentity;
  const issued = await loadOrIssue(stateDirectory);
  const stored = { directory: stateDirectory, notAfter: issued.notAfter.toISOString() };
  if (issued.created) log.emit('certificate.created', stored);
  if (issued.renewed) log.emit('certificate.renewed', stored);
  return { key: issued.key, cert: issued.cert };
}

/** The same for a process that has one already, and goes on with that if there is no other. */
export async function identityIn(
  settings: Settings,
  log: Log,
): Promise<{ readonly found: ListenerIdentity | undefined } | { readonly problems: readonly Problem[] }> {
  try {
    return { found: await identityOf(settings, log) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'cannot be read';
    return { problems: [{ variable: 'SEALPOST_STATE_DIR', text: `holds no usable certificate: ${reason}` }] };
  }
}

export function tellListenFailures(failures: readonly ListenFailure[], log: Log): void {
  for (const { host, port, reason } of failures) {
    log.emit('listener.failed', { host, port, reason });
    process.stderr.write(`sealpost: cannot listen on ${host}:${port} (${reason}); change SEALPOST_LISTEN\n`);
  }
}

/** @returns the error's code; undefined when it started */
export async function reasonNotStarted(start: () => Promise<void>): Promise<string | undefined> {
  try {
    await start();
    return undefined;
  } catch (error) {
    return errorCode(error) ?? 'unknown';
  }
}
