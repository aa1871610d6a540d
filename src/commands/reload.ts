/**
 * SIGHUP: the files that the variables name are read again, and what they say counts for all that begins from then on.
 *
 * Guarantees: all of a new configuration is taken, or nothing of it, and then every problem is told; no session ends for
 * it; a signal that comes during a reload is followed by another one.
 */
import type { Problem } from '../config/environment.ts';
import { loadSettings } from '../config/settings.ts';
import type { Log } from '../log/log.ts';
import { describeError } from '../log/describe-error.ts';
import type { Admin } from './admin.ts';
import { loopsOf } from './mail-loops.ts';
import type { Relaying } from './relay.ts';
import type { SupervisorLine } from './supervisor-line.ts';

/** Those that new settings are for. */
export interface Reloadable {
  readonly relay: Relaying;
  readonly admin: Admin;
}

export interface Reloads {
  /** What was asked for up to now, and what will be, is done from now on. */
  begin(running: Reloadable): void;
  /** Nothing is done any more. */
  end(): void;
}

/** Catches the signal from now on: it would end the process. */
export function reloadOnHangup(log: Log, supervisor: SupervisorLine): Reloads {
  const begun = Promise.withResolvers<Reloadable>();
  let last = Promise.resolve();
  let isWaiting = false;
  let isOver = false;
  const next = async (): Promise<void> => {
    const running = await begun.promise;
    isWaiting = false; // what is signalled from here on may be about files that were read already
    if (!isOver) await reload(running, log, supervisor);
  };
  process.on('SIGHUP', () => {
    if (!isWaiting) last = last.then(next);
    isWaiting = true;
  });
  return { begin: begun.resolve, end: () => (isOver = true) };
}

async function reload(running: Reloadable, log: Log, supervisor: SupervisorLine): Promise<void> {
  supervisor.reloading();
  const isTaken = await isReloaded(running, log);
  supervisor.ready(isTaken ? undefined : 'the new configuration is refused, see the log; the old one counts');
}

async function isReloaded(running: Reloadable, log: Log): Promise<boolean> {
  try {
    const problems = await problemsOrTaken(running, log);
    for (const { variable, text } of problems) log.emit('config.refused', { variable, text });
    return problems.length === 0;
  } catch (error) {
    log.emit('internal.error', describeError(error)); // and what there is goes on
    return false;
  }
}

/** @returns why the new configuration was not taken; none when it was */
async function problemsOrTaken({ relay, admin }: Reloadable, log: Log): Promise<readonly Problem[]> {
  const loaded = loadSettings();
  if ('problems' in loaded) return loaded.problems;
  const { settings } = loaded;
  const loops = await loopsOf(settings);
  if (loops.length > 0) return loops;
  const prepared = await relay.prepare(settings);
  if ('problems' in prepared) return prepared.problems;
  await prepared.take();
  admin.renew(settings);
  log.emit('config.reloaded', { settings: settings.shown });
  for (const { variable, text } of settings.warnings) log.emit('config.warned', { variable, text });
  return [];
}
