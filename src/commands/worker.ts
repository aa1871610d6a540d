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
import { Moment } from '../log/moment.ts';
import type { Happening } from '../log/observer.ts';
import { dieOnMistakes } from './die-on-mistakes.ts';
import { EXIT } from './exit.ts';
import { lastLinesWritten } from './last-lines.ts';
import { Relay, type Prepared } from './relay.ts';
import {
  isOrder,
  type Answer,
  type Numbered,
  type Order,
  type Question,
  type Report,
} from './worker-messages.ts';

/** @returns the exit code, once stopped */
export async function serveAsWorker(settings: Settings): Promise<number> {
  // Those that a terminal or a supervisor sends to all of us: only the primary decides what they mean.
  process.on('SIGTERM', ignore).on('SIGINT', ignore).on('SIGHUP', ignore);
  const primary = new Primary();
  const order = await Promise.race([primary.start, delay(ORDER_MS, undefined, { ref: false })]);
  if (order === undefined) {
    process.stderr.write('sealpost: another program started this as its worker; set SEALPOST_WORKERS=1\n');
    return EXIT.config;
  }
  const { worker, watched } = order;
  const output = openLog(settings.logLevel, settings.logFormat);
  const happenings = new Happenings(primary, watched);
  const log = workerLog(output, worker, happenings);
  dieOnMistakes((mistake) => log.emit('internal.error', mistake));
  const relay = await Relay.make(settings, log, { worker, workers: settings.workers });
  const failures = await relay.listen();
  if (failures.length > 0) {
    await primary.tell({ kind: 'not-started', failures });
    return EXIT.unavailable;
  }
  primary.answer = answersOf(relay, happenings);
  await primary.tell({ kind: 'started', addresses: relay.addresses });
  await primary.stop;
  const forced = await relay.stop();
  happenings.tell();
  await primary.tell({ kind: 'stopped', forced });
  await lastLinesWritten();
  return EXIT.ok;
}

/** How long the primary may take to say what to do: it says so as soon as it hears of us. */
const ORDER_MS = 10_000;

type StartOrder = Extract<Order, { readonly kind: 'start' }>;

/** The other end. When it is gone, node:cluster ends this process. */
class Primary {
  readonly start: Promise<StartOrder>;
  readonly stop: Promise<void>;
  /** To be set before it hears that we have started. */
  answer: ((question: Question) => Promise<Answer>) | undefined;

  constructor() {
    const start = Promise.withResolvers<StartOrder>();
    const stop = Promise.withResolvers<void>();
    this.start = start.promise;
    this.stop = stop.promise;
    process.on('message', (order: unknown) => {
      if (!isOrder(order)) return;
      if (order.kind === 'start') start.resolve(order);
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

function answersOf(relay: Relay, happenings: Happenings): (question: Question) => Promise<Answer> {
  let prepared: Prepared | undefined;
  return async (question) => {
    switch (question.kind) {
      case 'tell-health':
        return { kind: 'health', health: question.mayProbe ? await relay.health.ask() : relay.health.known };
      case 'measure':
        happenings.tell(); // so that what is measured has happened for the primary, too
        return { kind: 'measured', measures: await relay.measureAlone() };
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

/** What the primary is to hear of. */
class Happenings {
  readonly #moment: Moment;
  readonly #watched: ReadonlySet<EventName>;
  #events: Happening[] = [];

  constructor(primary: Primary, watched: readonly EventName[]) {
    this.#watched = new Set(watched);
    const begin = (): void => void (this.#events = []);
    const end = (): void => void primary.tell({ kind: 'happened', events: this.#events });
    this.#moment = new Moment(begin, end);
  }

  /** Tells what it has not told yet. */
  tell(): void {
    this.#moment.end();
  }

  take(happening: Happening): void {
    if (!this.#watched.has(happening.event)) return;
    this.#moment.begin();
    this.#events.push(happening);
  }
}

/** What all workers do together the primary tells once. */
const TOLD_BY_PRIMARY: ReadonlySet<EventName> = new Set(['listener.started', 'listener.stopped']);

/** A log whose every line says which worker it is from. A worker that is killed by force loses its last moment. */
function workerLog(log: Log, worker: number, happenings: Happenings): Log {
  // Of 0.31 ms CPU for a message, lines of one moment in one write took a third away.
  const moment = new Moment(
    () => process.stdout.cork(),
    () => process.stdout.uncork(),
  );
  return {
    emit<E extends EventName>(event: E, fields: Events[E]): void {
      if (TOLD_BY_PRIMARY.has(event)) return;
      const told = { ...fields, worker };
      happenings.take({ event, fields: told });
      moment.begin();
      log.emit(event, told);
    },
  };
}

function ignore(): void {
  // nothing
}
