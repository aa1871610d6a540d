/**
 * `sealpost serve`: puts the rooms together and runs until it is told to stop.
 */
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';

import { AdminListener } from '../admin/admin-listener.ts';
import { HealthProbe } from '../admin/health.ts';
import { loadOrIssue } from '../certificates/local-authority.ts';
import type { Problem } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { packageVersion } from '../config/version.ts';
import { Listener, type ListenerIdentity, type ListenerOptions } from '../listener/listener.ts';
import { Networks } from '../listener/networks.ts';
import { openLog, type Log } from '../log/log.ts';
import { describeError, type RelayContext } from '../relay/delivery.ts';
import { identifierText } from '../tls/reference-identifier.ts';
import { HopOpener } from '../upstream/open-hop.ts';
import { HopPool } from '../upstream/pool.ts';
import type { Target } from '../upstream/target.ts';
import { EXIT, printProblems } from './exit.ts';
import { upstreamsOf } from './upstreams.ts';

/** How long transactions may go on after SIGTERM: an orchestrator's patience is 30 s at most. */
const GRACE_MS = 25_000;

/** @returns the exit code, once stopped */
export async function serve(settings: Settings): Promise<number> {
  const log = openLog(settings.logLevel, settings.logFormat);
  dieOnMistakes(log);
  log.emit('config.loaded', { version: packageVersion(), settings: settings.shown });
  for (const { variable, text } of settings.warnings) log.emit('config.warned', { variable, text });
  const loops = await loopsOf(settings);
  if (loops.length > 0) return printProblems(loops);

  const { targets, around } = upstreamsOf(settings, log);
  const pool = new HopPool(new HopOpener(around), settings.hopLimits, log);
  const relay = relayOf(settings, targets, pool, log);
  const listeners = await makeListeners(settings, relay);
  const admin = adminOf(settings, relay);
  const stopSignal = untilToldToStop(); // before anybody can know that it listens
  const failed = (await startAll(listeners, log)) || (await startAdmin(admin, settings));
  if (failed) {
    for (const listener of listeners) listener.kill();
    return EXIT.unavailable;
  }
  for (const target of targets.slice(0, 1)) pool.keepReady(target);
  log.emit('process.stopping', { signal: await stopSignal });
  admin?.stop();
  await stopAll(listeners, pool, log);
  return EXIT.ok;
}

function relayOf(settings: Settings, targets: readonly Target[], pool: HopPool, log: Log): RelayContext {
  const { hostname, maxOctets, lineEndings, requireTls, tlsFailureReply } = settings;
  return { pool, targets, log, hostname, maxOctets, lineEndings, requireTls, onTlsFailure: tlsFailureReply };
}

function adminOf({ adminListen }: Settings, { pool, targets, log }: RelayContext): AdminListener | undefined {
  if (adminListen === undefined) return undefined;
  return new AdminListener(adminListen, new HealthProbe(pool, targets), log);
}

async function makeListeners(settings: Settings, relay: RelayContext): Promise<readonly Listener[]> {
  const { clientNetworks: networks, clientAuth, listen, listenTls, listenStarttls } = settings;
  const needsIdentity = listenStarttls || listenTls.length > 0;
  const identity = needsIdentity ? await identityOf(settings, relay.log) : undefined;
  const plain = listenStarttls ? 'starttls' : 'none';
  const options: readonly ListenerOptions[] = [
    ...listen.map((address) => ({ address, tls: plain, identity, networks, clientAuth }) as const),
    ...listenTls.map((address) => ({ address, tls: 'implicit', identity, networks, clientAuth }) as const),
  ];
  return options.map((one) => new Listener(one, relay));
}

async function identityOf({ listenIdentity, stateDirectory }: Settings, log: Log): Promise<ListenerIdentity> {
  if (listenIdentity !== undefined) return listenIdentity;
  const issued = await loadOrIssue(stateDirectory);
  const stored = { directory: stateDirectory, notAfter: issued.notAfter.toISOString() };
  if (issued.created) log.emit('certificate.created', stored);
  if (issued.renewed) log.emit('certificate.renewed', stored);
  return { key: issued.key, cert: issued.cert };
}

/** @returns whether one could not start */
async function startAll(listeners: readonly Listener[], log: Log): Promise<boolean> {
  let hasFailed = false;
  for (const listener of listeners) {
    const { host, port } = listener.address;
    const reason = await reasonNotStarted(async () => listener.start());
    if (reason === undefined) continue;
    hasFailed = true;
    log.emit('listener.failed', { host, port, reason });
    process.stderr.write(`sealpost: cannot listen on ${host}:${port} (${reason}); change SEALPOST_LISTEN\n`);
  }
  return hasFailed;
}

/** @returns whether it could not start */
async function startAdmin(admin: AdminListener | undefined, { adminListen }: Settings): Promise<boolean> {
  const reason = await reasonNotStarted(async () => admin?.start());
  if (reason === undefined) return false;
  process.stderr.write(
    `sealpost: cannot listen on port ${adminListen?.port} (${reason}); change SEALPOST_ADMIN_LISTEN\n`,
  );
  return true;
}

/** @returns the error's code; undefined when it started */
async function reasonNotStarted(start: () => Promise<void>): Promise<string | undefined> {
  try {
    await start();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
}

async function untilToldToStop(): Promise<string> {
  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve).once('SIGINT', resolve);
  });
  process.once('SIGTERM', quitAtOnce).once('SIGINT', quitAtOnce);
  return signal;
}

/** Told twice: whoever says it again does not want to wait. */
function quitAtOnce(): void {
  process.exit(EXIT.ok);
}

/** A message whose client has gone may still wait for its verdict: the pool is waited for too. */
async function stopAll(listeners: readonly Listener[], pool: HopPool, log: Log): Promise<void> {
  let forced = 0;
  const timer = setTimeout(() => {
    forced = pool.kill();
    for (const listener of listeners) listener.kill();
  }, GRACE_MS);
  await Promise.all(listeners.map(async (listener) => listener.stop()));
  await pool.close();
  clearTimeout(timer);
  log.emit('process.stopped', { forced });
}

/** An upstream that is one of our own listeners would send every message round in a circle. */
async function loopsOf({ destinations, listen, listenTls }: Settings): Promise<readonly Problem[]> {
  const own = [...listen, ...listenTls];
  const problems: Problem[] = [];
  for (const { place } of destinations) {
    if (place.kind !== 'host') continue;
    const host = identifierText(place.reference);
    const ports = place.endpoints
      .map(({ port }) => port)
      .filter((port) => own.some((address) => address.port === port));
    if (ports.length === 0 || !(await isOwnAddress(host))) continue;
    const text = `should not be this relay's own listener (${host}:${ports[0]})`;
    problems.push({ variable: 'SEALPOST_UPSTREAM', text });
  }
  return problems;
}

async function isOwnAddress(host: string): Promise<boolean> {
  const own = new Networks(['127.0.0.0/8', '0.0.0.0', '::', '::1', ...interfaceAddresses()]);
  try {
    const found = await lookup(host, { all: true });
    return found.some(({ address }) => own.has(address));
  } catch {
    return false; // a name that is not found is no address of ours; the first message will tell
  }
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(
    (entries) => entries?.map(({ address }) => address) ?? [],
  );
}

/** A mistake of ours leaves a state nobody thought of: log it and end, so that a supervisor starts anew. */
function dieOnMistakes(log: Log): void {
  const die = (error: unknown): void => {
    log.emit('internal.error', describeError(error));
    process.exit(EXIT.software);
  };
  process.on('uncaughtException', die).on('unhandledRejection', die);
}
