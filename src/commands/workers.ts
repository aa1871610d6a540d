/**
 * Several processes that relay on the same ports. This one, the primary, starts them, replaces those that die, passes
 * their log lines on, answers for all of them and stops them; no mail goes through it.
 *
 * Guarantees: what would end a process alone at its start ends them all, told once; a worker that hangs is found and
 * replaced; no worker that still turns its event loop outlives the primary.
 */
import cluster from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';

import type { Readiness } from '../admin/health.ts';
import { SharedHealth, type HealthMember } from '../admin/shared-health.ts';
import type { Settings } from '../config/settings.ts';
import { countForWorkers } from '../listener/client-limits.ts';
import type { ObservedLog } from '../log/log.ts';
import type { Measured } from '../metrics/measured-metrics.ts';
import { measureProcess } from '../metrics/process-measures.ts';
import { EXIT } from './exit.ts';
import { LineMerger } from './line-merger.ts';
import {
  GRACE_MS,
  identityIn,
  identityOf,
  tellListenFailures,
  type ListeningAddress,
  type Prepared,
  type Relaying,
} from './relay.ts';
import { WorkerProcess, type StartOutcome, type WorkerEnd } from './worker-process.ts';
import { restMs, shortLives } from './worker-share.ts';

/** A worker that has not ended so long after the grace is stuck. */
const STUCK_MS = 2_000;
/** For what a worker knows without asking the upstream. */
const ANSWER_MS = 250;
/** For what it has to look up. */
const MEASURE_MS = 2_000;
/** For reading and checking all files: one that takes longer is stuck. */
const PREPARE_MS = 30_000;
/** A probe's own failure says more than that it did not end. */
const PROBE_MARGIN_MS = 1_000;

/** With workers that do not answer. */
export interface Patience {
  /** How often each is asked whether it is there, and how long it may take to say so, milliseconds. */
  readonly pulseMs: number;
  /** In a row, until it is killed. */
  readonly mostUnanswered: number;
}

/**
 * Half a minute: nothing that a worker does takes as long, and no machine that is merely slow. Questions are counted, not
 * time, so that a machine that slept kills nobody when it wakes.
 */
const PATIENCE: Patience = { pulseMs: 5_000, mostUnanswered: 6 };

export class Workers implements Relaying {
  readonly health: Readiness;
  readonly #settings: Settings;
  readonly #log: ObservedLog;
  readonly #output = new LineMerger(process.stdout);
  /** By number; of an ended one until it is replaced. */
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #stopping = new AbortController();
  readonly #patience: Patience;
  #addresses: readonly ListeningAddress[] = [];

  constructor(settings: Settings, log: ObservedLog, patience = PATIENCE) {
    this.#settings = settings;
    this.#log = log;
    this.#patience = patience;
    this.health = new SharedHealth(() => this.#healthMembers());
  }

  async start(): Promise<number | undefined> {
    await identityOf(this.#settings, this.#log); // issued before there are several who would
    configureCluster();
    countForWorkers();
    process.once('exit', () => this.kill());
    const numbers = Array.from({ length: this.#settings.workers }, (_, index) => index + 1);
    // The first goes ahead: what it cannot do the others cannot either, and it is told once.
    for (const group of [numbers.slice(0, 1), numbers.slice(1)]) {
      const outcomes = await Promise.all(group.map(async (number) => this.#fork(number).outcome));
      const failed = outcomes.find(({ kind }) => kind !== 'started');
      if (failed !== undefined) return this.#exitCodeOf(failed);
    }
    for (const address of this.#addresses) this.#log.emit('listener.started', address);
    for (const worker of this.#workers.values()) void this.#supervise(worker);
    return undefined;
  }

  /** All of them or none. One that ends meanwhile has a successor that reads the files by itself. */
  async prepare(settings: Settings): Promise<Prepared> {
    const identity = await identityIn(settings, this.#log); // as at the start
    if ('problems' in identity) return identity;
    const workers = [...this.#workers.values()];
    await Promise.race([
      Promise.all(workers.map(async ({ outcome }) => outcome)),
      delay(PREPARE_MS, undefined, { ref: false }),
    ]);
    const answers = await Promise.all(workers.map(async (worker) => worker.prepare(PREPARE_MS)));
    const problems = answers.find((found = []) => found.length > 0);
    if (problems !== undefined) return { problems };
    return {
      take: async () => {
        await Promise.all(workers.map(async (worker) => worker.take(PREPARE_MS)));
      },
    };
  }

  async measure(): Promise<Measured> {
    const workers = [...this.#workers.values()];
    const measured = workers.map(async (worker) => {
      const measures = await worker.measure(MEASURE_MS);
      return measures === undefined ? [] : [{ name: String(worker.number), ...measures }];
    });
    const relays = (await Promise.all(measured)).flat();
    const processes = relays.map((relay) => ({ name: relay.name, measures: relay.process }));
    return { relays, processes: [{ name: 'main', measures: await measureProcess() }, ...processes] };
  }

  async stop(): Promise<number> {
    this.#stopping.abort();
    const workers = [...this.#workers.values()];
    const timer = setTimeout(() => this.kill(), GRACE_MS + STUCK_MS);
    await Promise.all(workers.map(async (worker) => this.#stop(worker)));
    clearTimeout(timer);
    for (const { host, port } of this.#addresses) this.#log.emit('listener.stopped', { host, port });
    return workers.reduce((sum, { forced }) => sum + forced, 0);
  }

  async #stop(worker: WorkerProcess): Promise<void> {
    const { isServing, number, pid } = worker;
    worker.stop();
    const end = await worker.ended;
    if (isServing && end.code !== EXIT.ok) this.#log.emit('worker.ended', { worker: number, pid, ...end });
  }

  kill(): void {
    this.#stopping.abort();
    for (const worker of this.#workers.values()) worker.kill();
  }

  #fork(number: number): WorkerProcess {
    const worker = new WorkerProcess(number, this.#output, this.#log);
    this.#workers.set(number, worker);
    void worker.outcome.then((outcome) => {
      if (outcome.kind === 'started') {
        this.#addresses = outcome.addresses;
        this.#log.emit('worker.started', { worker: number, pid: worker.pid });
        void this.#watch(worker);
      } else if (outcome.kind === 'not-started') tellListenFailures(outcome.failures, this.#log);
    });
    return worker;
  }

  #exitCodeOf(outcome: StartOutcome): number {
    if (outcome.kind !== 'ended') return EXIT.unavailable;
    return outcome.code ?? EXIT.software;
  }

  /** Replaces a worker, and whoever replaces it, until all are to stop. */
  async #supervise(first: WorkerProcess): Promise<void> {
    let worker: WorkerProcess | undefined = first;
    let short = 0;
    while (!this.#stopping.signal.aborted) {
      const end: WorkerEnd = (await worker?.ended) ?? { code: null, signal: null };
      if (this.#stopping.signal.aborted) return;
      this.#log.emit('worker.ended', { worker: first.number, pid: worker?.pid ?? 0, ...end });
      short = shortLives(short, worker?.lastedMs ?? 0);
      await delay(restMs(short), undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      worker = this.#tryToFork(first.number);
    }
  }

  /** Kills it when it hangs, so that it is replaced like any other that dies. */
  async #watch(worker: WorkerProcess): Promise<void> {
    const { pulseMs, mostUnanswered } = this.#patience;
    const { number, pid } = worker;
    for (let unanswered = 0; worker.isServing && unanswered < mostUnanswered;) {
      if (unanswered === 0) await delay(pulseMs, undefined, { ref: false });
      const answer = await worker.askHealth(false, pulseMs);
      unanswered = answer === undefined ? unanswered + 1 : 0;
    }
    if (!worker.isServing) return;
    this.#log.emit('worker.hung', { worker: number, pid });
    worker.kill();
  }

  #tryToFork(number: number): WorkerProcess | undefined {
    try {
      return this.#fork(number);
    } catch {
      return undefined; // no process to be had now; tried again like one that died at once
    }
  }

  #healthMembers(): readonly HealthMember[] {
    const probeMs = this.#settings.connectMs + PROBE_MARGIN_MS;
    return [...this.#workers.values()]
      .filter(({ isServing }) => isServing)
      .map((worker) => ({
        known: async () => worker.askHealth(false, ANSWER_MS),
        probe: async () => (await worker.askHealth(true, probeMs))?.health,
      }));
  }
}

function configureCluster(): void {
  // Workers accept by themselves, from one socket: the kernel gives a connection to whoever is free. With SCHED_RR the
  // primary accepts and hands round; measured on two processors, a connection for each message then costs 0.77 ms CPU
  // instead of 0.59 and two workers deliver no more than one. Sockets of their own (SO_REUSEPORT) would lose what waits
  // at a worker that dies, and let a second relay start unnoticed on a port that is taken.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  // Standard output comes by a pipe of its own from each worker: several writers on one pipe would tear each other's
  // lines as soon as its reader is slow.
  cluster.setupPrimary({ stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
}
