/**
 * The primary's end of one worker, from its fork to its end.
 *
 * Guarantees: every question gets an answer in bounded time, if only that there is none.
 */
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';

import type { Health } from '../admin/health.ts';
import type { Problem } from '../config/environment.ts';
import type { ObservedLog } from '../log/log.ts';
import type { RelayMeasures } from '../metrics/process-measures.ts';
import { LAST_LINES_MS } from './last-lines.ts';
import type { LineMerger } from './line-merger.ts';
import type { ListenFailure, ListeningAddress } from './relay.ts';
import { isReport, type Answer, type Order, type Question, type Report } from './worker-messages.ts';

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

export type StartOutcome =
  | { readonly kind: 'started'; readonly addresses: readonly ListeningAddress[] }
  | { readonly kind: 'not-started'; readonly failures: readonly ListenFailure[] }
  | ({ readonly kind: 'ended' } & WorkerEnd);

export class WorkerProcess {
  /** From 1; its successor has the same. */
  readonly number: number;
  readonly outcome: Promise<StartOutcome>;
  readonly ended: Promise<WorkerEnd>;
  isServing = false;
  /** Transactions that its stop cut off. */
  forced = 0;
  readonly #worker: Worker;
  readonly #log: ObservedLog;
  readonly #began = performance.now();
  readonly #settle: (outcome: StartOutcome) => void;
  readonly #asked = new Map<number, (answer: Answer | undefined) => void>();
  #questions = 0;

  /**
   * @param log whose observers hear of what happens there
   * @throws {Error} when the system has no process to give
   */
  constructor(number: number, output: LineMerger, log: ObservedLog) {
    const outcome = Promise.withResolvers<StartOutcome>();
    this.number = number;
    this.#log = log;
    this.outcome = outcome.promise;
    this.#settle = outcome.resolve;
    this.#worker = cluster.fork();
    this.#worker.on('message', (report: unknown) => {
      if (isReport(report)) this.#hear(report);
    });
    const { stdout } = this.#worker.process;
    if (stdout !== null) output.add(stdout);
    this.ended = this.#untilEnded();
  }

  get pid(): number {
    return this.#worker.process.pid ?? 0;
  }

  get lastedMs(): number {
    return performance.now() - this.#began;
  }

  /** Lets it end what is under way; one that serves nobody yet ends at once. */
  stop(): void {
    if (this.isServing) this.#tell({ kind: 'stop' });
    else this.kill();
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  /** @returns undefined when the answer does not come in time */
  async askHealth(mayProbe: boolean, withinMs: number): Promise<{ health: Health | undefined } | undefined> {
    const answer = await this.#ask({ kind: 'tell-health', mayProbe }, withinMs);
    return answer?.kind === 'health' ? { health: answer.health } : undefined;
  }

  /** @returns undefined when the answer does not come in time */
  async measure(withinMs: number): Promise<RelayMeasures | undefined> {
    const answer = await this.#ask({ kind: 'measure' }, withinMs);
    return answer?.kind === 'measured' ? answer.measures : undefined;
  }

  /** @returns what is wrong with the configuration; undefined when no answer comes */
  async prepare(withinMs: number): Promise<readonly Problem[] | undefined> {
    const answer = await this.#ask({ kind: 'prepare' }, withinMs);
    return answer?.kind === 'prepared' ? answer.problems : undefined;
  }

  /** Resolves when the configuration that was prepared counts, or when no answer comes. */
  async take(withinMs: number): Promise<void> {
    await this.#ask({ kind: 'take' }, withinMs);
  }

  async #ask(question: Question, withinMs: number): Promise<Answer | undefined> {
    if (!this.isServing) return undefined;
    const id = (this.#questions += 1);
    const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
    const timer = setTimeout(() => resolve(undefined), withinMs);
    this.#asked.set(id, resolve);
    this.#tell({ ...question, id });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  #hear(report: Report): void {
    const { watched } = this.#log;
    if (report.kind === 'ready') this.#tell({ kind: 'start', worker: this.number, watched });
    else if (report.kind === 'happened')
      for (const { event, fields } of report.events) this.#log.pass(event, fields);
    else if ('id' in report) this.#asked.get(report.id)?.(report);
    else if (report.kind === 'stopped') this.forced = report.forced;
    else {
      this.isServing = report.kind === 'started';
      this.#settle(report);
    }
  }

  #tell(order: Order): void {
    // One that is gone hears nothing; its end is told by `ended`.
    this.#worker.process.send(order, undefined, undefined, () => undefined);
  }

  async #untilEnded(): Promise<WorkerEnd> {
    const { process: child } = this.#worker;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const end = await new Promise<WorkerEnd>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      // Without a pid it was never born.
      this.#worker.on('error', () => child.pid ?? resolve({ code: null, signal: null }));
    });
    this.isServing = false;
    for (const answer of this.#asked.values()) answer(undefined);
    this.#settle({ kind: 'ended', ...end });
    if (child.pid !== undefined)
      await Promise.race([closed, delay(LAST_LINES_MS, undefined, { ref: false })]);
    return end;
  }
}
