/**
 * `sealpost serve`: starts what relays, in this process or in several, and runs until it is told to stop.
 */
import cluster from 'node:cluster';
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';

import { AdminListener } from '../admin/admin-listener.ts';
import type { Problem } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { packageVersion } from '../config/version.ts';
import { openLog, type Log } from '../log/log.ts';
import { Networks } from '../relay/networks.ts';
import { inWordsOf } from '../relay/upstream-words.ts';
import { identifierText } from '../tls/reference-identifier.ts';
import { dieOnMistakes } from './die-on-mistakes.ts';
import { EXIT, printProblems } from './exit.ts';
import { lastLinesWritten } from './last-lines.ts';
import { Relay, reasonNotStarted, type Relaying } from './relay.ts';
import { serveAsWorker } from './worker.ts';
import { Workers } from './workers.ts';

/** @returns the exit code, once stopped */
export async function serve(settings: Settings): Promise<number> {
  // A process manager that is built on node:cluster makes us somebody else's worker: then we are alone.
  if (cluster.isWorker && settings.workers > 1) return serveAsWorker(settings);
  const log = openLog(settings.logLevel, settings.logFormat);
  dieOnMistakes(log);
  log.emit('config.loaded', { version: packageVersion(), settings: settings.shown });
  for (const { variable, text } of settings.warnings) log.emit('config.warned', { variable, text });
  const loops = await loopsOf(settings);
  if (loops.length > 0) return printProblems(loops);

  const relay: Relaying = settings.workers > 1 ? new Workers(settings, log) : await Relay.make(settings, log);
  const admin = adminOf(settings, relay, log);
  const stopSignal = untilToldToStop(); // before anybody can know that it listens
  const failure = (await relay.start()) ?? (await startAdmin(admin, settings));
  if (failure !== undefined) {
    relay.kill();
    return failure;
  }
  log.emit('process.stopping', { signal: await stopSignal });
  admin?.stop();
  log.emit('process.stopped', { forced: await relay.stop() });
  await lastLinesWritten();
  return EXIT.ok;
}

function adminOf({ adminListen }: Settings, { health }: Relaying, log: Log): AdminListener | undefined {
  return adminListen === undefined ? undefined : new AdminListener(adminListen, health, log);
}

/** @returns the exit code if it could not start */
async function startAdmin(
  admin: AdminListener | undefined,
  { adminListen }: Settings,
): Promise<number | undefined> {
  const reason = await reasonNotStarted(async () => admin?.start());
  if (reason === undefined) return undefined;
  process.stderr.write(
    `sealpost: cannot listen on port ${adminListen?.port} (${reason}); change SEALPOST_ADMIN_LISTEN\n`,
  );
  return EXIT.unavailable;
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

/** An upstream that is one of our own listeners would send every message round in a circle. */
async function loopsOf(settings: Settings): Promise<readonly Problem[]> {
  const { destinations, namedUpstreams, listen, listenTls } = settings;
  const own = [...listen, ...listenTls];
  const problems: Problem[] = [];
  const places = [{ name: undefined, destinations }, ...namedUpstreams].flatMap((one) =>
    one.destinations.map(({ place }) => [one.name, place] as const),
  );
  for (const [name, place] of places) {
    if (place.kind !== 'host') continue;
    const host = identifierText(place.reference);
    const ports = place.endpoints
      .map(({ port }) => port)
      .filter((port) => own.some((address) => address.port === port));
    if (ports.length === 0 || !(await isOwnAddress(host))) continue;
    const text = `should not be this relay's own listener (${host}:${ports[0]})`;
    problems.push({ variable: inWordsOf(name, 'SEALPOST_UPSTREAM'), text });
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
