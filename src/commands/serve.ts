/**
 * `sealpost serve`: starts what relays, in this process or in several, and runs until it is told to stop.
 */
import cluster from 'node:cluster';

import { AdminListener } from '../admin/admin-listener.ts';
import { healthPages } from '../admin/health-pages.ts';
import type { Page, Pages } from '../admin/page.ts';
import type { Settings } from '../config/settings.ts';
import { supervisorIn } from '../config/supervisor.ts';
import { packageVersion } from '../config/version.ts';
import { openLog, type ObservedLog } from '../log/log.ts';
import { RelayMetrics } from '../metrics/relay-metrics.ts';
import { dieOnMistakes } from './die-on-mistakes.ts';
import { EXIT, printProblems } from './exit.ts';
import { lastLinesWritten } from './last-lines.ts';
import { loopsOf } from './mail-loops.ts';
import { Relay, reasonNotStarted, type Relaying } from './relay.ts';
import { reloadOnHangup } from './reload.ts';
import { spoolProblems } from './spool.ts';
import { SupervisorLine } from './supervisor-line.ts';
import { serveAsWorker } from './worker.ts';
import { Workers, type Patience } from './workers.ts';

/** @param patience with workers that do not answer @returns the exit code, once stopped */
export async function serve(settings: Settings, patience?: Patience): Promise<number> {
  // A process manager that is built on node:cluster makes us somebody else's worker: then we are alone.
  if (cluster.isWorker && settings.workers > 1) return serveAsWorker(settings);
  const log = openLog(settings.logLevel, settings.logFormat);
  dieOnMistakes((mistake) => log.emit('internal.error', mistake));
  log.emit('config.loaded', { version: packageVersion(), settings: settings.shown });
  for (const { variable, text } of settings.warnings) log.emit('config.warned', { variable, text });
  const problems = [...(await loopsOf(settings)), ...(await spoolProblems(settings))];
  if (problems.length > 0) return printProblems(problems);

  const relay: Relaying =
    settings.workers > 1 ? new Workers(settings, log, patience) : await Relay.make(settings, log);
  const admin = adminOf(settings, relay, log);
  // Before anybody can know that it listens.
  const stopSignal = untilToldToStop();
  const supervisor = new SupervisorLine(supervisorIn(), log);
  const reloads = reloadOnHangup(relay, log, supervisor);
  const failure = (await relay.start()) ?? (await startAdmin(admin, settings));
  if (failure !== undefined) {
    relay.kill();
    return failure;
  }
  supervisor.ready();
  reloads.begin();
  log.emit('process.stopping', { signal: await stopSignal });
  supervisor.stopping();
  reloads.end();
  admin?.stop();
  log.emit('process.stopped', { forced: await relay.stop() });
  await Promise.all([lastLinesWritten(), supervisor.settled()]);
  return EXIT.ok;
}

function adminOf({ adminListen }: Settings, relay: Relaying, log: ObservedLog): AdminListener | undefined {
  if (adminListen === undefined) return undefined;
  return new AdminListener(
    adminListen,
    new Map([...healthPages(relay.health), ...metricsPages(relay, log)]),
    log,
  );
}

function metricsPages(relay: Relaying, log: ObservedLog): Pages {
  const metrics = new RelayMetrics(packageVersion());
  log.observe(metrics.observer);
  const page = async (): Promise<Page> => ({
    status: 200,
    contentType: metrics.contentType,
    text: await metrics.text(await relay.measure()),
  });
  return new Map([['/metrics', page]]);
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
