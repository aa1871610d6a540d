/**
 * One of several processes that relay: the same relay as a process alone has, told by the primary when to start and stop.
 *
 * It reads the variables and the files they name by itself. A secret in a file thus never passes another channel, and one
 * that was changed in the meantime counts from the next worker on; the files have to stay readable for that.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { loadSettings, type Settings } from '../config/settings.ts';
import type { EventName, Events } from '../log/events.ts';
import { openLog, type Log } from '../log/log.ts';
import { dieOnMistakes } from './die-on-mistakes.ts';
import { EXIT } from './exit.ts';
import { lastLinesWritten } from './last-lines.ts';
import { Relay, type Prepared } from './relay.ts';
import { isOrder, type Answer, type Numbered, type Question, type Report } from './worker-messages.ts';

/** @returns the exit code, once stopped */
export async function serveAsWorker(settings: Settings): Promise<number> {
  // Those that a terminal or a supervisor sends to all of us: only the primary decides what they mean.
  process.on('SIGTERM', ignore).on('SIGINT', ignore).on('SIGHUP', ignore);
  const primary = new Primary();
  const worker = await Promise.race([primary.start, delay(ORDER_MS, undefined, { ref: false })]);
  if (worker === undefined) {
    process.stderr.write('sealpost: another program started this as its worker; set SEALPOST_WORKERS=1\n');
    return EXIT.config;
  }
  const log = workerLog(openLog(settings.logLevel, settings.logFormat), worker);
  dieOnMistakes((mistake) => log.emit('internal.error', mistake));
  const relay = await Relay.make(settings, log, { worker, workers: settings.workers });
  const failures = await relay.listen();
  if (failures.length > 0) {
    await primary.tell({ kind: 'not-started', failures });
    return EXIT.unavailable;
  }
  primary.answer = answersOf(relay);
  await primary.tell({ kind: 'started', addresses: relay.addresses });
  await primary.stop;
  await primary.tell({ kind: 'stopped', forced: await relay.stop() });
  await lastLinesWritten();
  return EXIT.ok;
}

/** How long the primary may take to say what to do: it says so as soon as it hears of us. */
const ORDER_MS = 10_000;

/** The other end. When it is gone, node:cluster ends this process. */
class Primary {
  readonly start: Promise<number>;
  readonly stop: Promise<void>;
  /** To be set before it hears that we have started. */
  answer: ((question: Question) => Promise<Answer>) | undefined;

  constructor() {
    const start = Promise.withResolvers<number>();
    const stop = Promise.withResolvers<void>();
    this.start = start.promise;
    this.stop = stop.promise;
    process.on('message', (order: unknown) => {
      if (!isOrder(order)) return;
      if (order.kind === 'start') start.resolve(order.worker);
      else if (order.kind === 'stop') stop.resolve();
      else void this.#answer(order);
    });
    void this.tell({ kind: 'ready' });
  }

  async #answer({ id, ...question }: Question & Numbered): Promise<void> {
    const answer = await this.answer?.(question);
    if (answer !== undefined) await this.tell({ ...answer, id });
  }

  /** Resolves when it is on its way, or can never be. */
  async tell(report: Report): Promise<void> {
    await new Promise<void>((resolve) => {
      if (process.send === undefined) resolve();
      else process.send(report, undefined, undefined, () => resolve());
    });
  }
}

function answersOf(relay: Relay): (question: Question) => Promise<Answer> {
  let prepared: Prepared | undefined;
  return async (question) => {
    switch (question.kind) {
      case 'tell-health':
        return { kind: 'health', health: question.mayProbe ? await relay.health.ask() : relay.health.known };
      case 'prepare':
        prepared = await prepareAnew(relay);
        return { kind: 'prepared', problems: 'problems' in prepared ? prepared.problems : [] };
      case 'take':
        if (prepared !== undefined && 'take' in prepared) await prepared.take();
        return { kind: 'taken' };
    }
  };
}

async function prepareAnew(relay: Relay): Promise<Prepared> {
  const loaded = loadSettings();
  return 'problems' in loaded ? loaded : relay.prepare(loaded.settings);
}

/** What all workers do together the primary tells once. */
const TOLD_BY_PRIMARY: ReadonlySet<EventName> = new Set(['listener.started', 'listener.stopped']);

/** A log whose every line says which worker it is from. */
function workerLog(log: Log, worker: number): Log {
  const output = new Batches();
  return {
    emit<E extends EventName>(event: E, fields: Events[E]): void {
      if (TOLD_BY_PRIMARY.has(event)) return;
      output.begin();
      log.emit(event, { ...fields, worker });
    },
  };
}

/** Long enough for many lines under load, short enough for whoever watches. */
const BATCH_MS = 10;

/**
 * Lines of one moment in one write. Each write wakes the primary, which costs more than the line: of 0.31 ms CPU for a
 * message, batches took a third away. A worker that is killed by force loses what it said in the last moment.
 */
class Batches {
  #isOpen = false;

  constructor() {
    process.on('exit', () => this.#end());
  }

  begin(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    process.stdout.cork();
    setTimeout(() => this.#end(), BATCH_MS);
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.stdout.uncork();
  }
}

function ignore(): void {
  // nothing
}
