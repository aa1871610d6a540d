/**
 * `sealpost serve`: starts what relays, in this process or in several, and runs until it is told to stop.
 */
import cluster from 'node:cluster';

import type { Settings } from '../config/settings.ts';
import { supervisorIn } from '../config/supervisor.ts';
import { packageVersion } from '../config/version.ts';
import { openLog } from '../log/log.ts';
import { Admin } from './admin.ts';
import { dieOnMistakes } from './die-on-mistakes.ts';
import { EXIT, printProblems } from './exit.ts';
import { lastLinesWritten } from './last-lines.ts';
import { loopsOf } from './mail-loops.ts';
import { Relay, type Relaying } from './relay.ts';
import { openRecords } from './records.ts';
import { reloadOnHangup } from './reload.ts';
import { spoolProblems } from './spool.ts';
import { SupervisorLine } from './supervisor-line.ts';
import { serveAsWorker } from './worker.ts';
import { Workers, type Patience } from './workers.ts';

export const USAGE = `Usage: sealpost serve

Relays mail until SIGTERM or SIGINT. It is configured by SEALPOST_ variables and by nothing else: docs/CONFIGURATION.md
tells about each, \`sealpost config\` shows them as they count. The log goes to standard output, a line for each event.

SIGHUP   read the files again that the variables name
SIGTERM  let transactions end, for 25 seconds at most; a second one ends at once

Exit code
   0  it was told to stop
  69  a port, a certificate or the spool cannot be had; it says which
  78  a variable is wrong or missing
`;

/** @param patience with workers that do not answer @returns the exit code, once stopped */
export async function serve(settings: Settings, patience?: Patience): Promise<number> {
  // A process manager that is built on node:cluster makes us somebody else's worker: then we are alone.
  if (cluster.isWorker && settings.workers > 1) return serveAsWorker(settings);
  // As process 1 of a container we would not hear of them without.
  process.once('SIGTERM', quitAtOnce).once('SIGINT', quitAtOnce);
  const log = openLog(settings.logLevel, settings.logFormat);
  const supervisor = new SupervisorLine(supervisorIn(), log);
  const reloads = reloadOnHangup(log, supervisor);
  dieOnMistakes((mistake) => log.emit('internal.error', mistake));
  log.emit('config.loaded', { version: packageVersion(), settings: settings.shown });
  for (const { variable, text } of settings.warnings) log.emit('config.warned', { variable, text });
  const problems = [...(await loopsOf(settings)), ...(await spoolProblems(settings))];
  if (problems.length > 0) return printProblems(problems);
  const records = await openRecords(settings, log);
  if ('problems' in records) return printProblems(records.problems);

  const relay: Relaying =
    settings.workers > 1 ? new Workers(settings, log, patience) : await Relay.make(settings, log);
  const admin = new Admin(settings, relay, log);
  // Before anybody can know that it listens.
  const stopSignal = untilToldToStop();
  const failure = (await relay.start()) ?? (await admin.start());
  if (failure !== undefined) {
    relay.kill();
    return failure;
  }
  supervisor.ready();
  reloads.begin({ relay, admin });
  log.emit('process.stopping', { signal: await stopSignal });
  supervisor.stopping();
  reloads.end();
  admin.stop();
  const forced = await relay.stop();
  log.settle();
  await records.close();
  log.emit('process.stopped', { forced });
  await Promise.all([lastLinesWritten(), supervisor.settled()]);
  return EXIT.ok;
}

async function untilToldToStop(): Promise<string> {
  process.off('SIGTERM', quitAtOnce).off('SIGINT', quitAtOnce);
  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve).once('SIGINT', resolve);
  });
  process.once('SIGTERM', quitAtOnce).once('SIGINT', quitAtOnce);
  return signal;
}

/** Told before there is anything to wait for, or twice: whoever says it again does not want to wait. */
function quitAtOnce(): void {
  process.exit(EXIT.ok);
}
