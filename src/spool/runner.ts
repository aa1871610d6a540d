/**
 * Delivers what the spool holds, by and by.
 *
 * Guarantees: a message is worked on by whoever has claimed it, and by nobody else; what becomes of it is written down, or
 * it comes back when the claim has ended. Few attempts run at once, so that clients find hops; an upstream without a hop is
 * asked for a few messages at growing intervals, and not for each of those that wait.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { describeError } from '../log/describe-error.ts';
import { newId } from '../log/id.ts';
import type { Log } from '../log/log.ts';
import { RelayError } from '../protocol/failure.ts';
import type { Target } from '../upstream/target.ts';
import { afterAttempt, type Outcome } from './after-attempt.ts';
import { attempt, hadNoHop, type Attempt, type AttemptSurroundings } from './attempt.ts';
import { bounce } from './bounce.ts';
import type { DraftRoom } from './draft-room.ts';
import { RouteHealth, type RouteName } from './route-health.ts';
import { CLAIM_MS, type Claim, type Entry, type SpoolStore } from './spool-store.ts';
import { tellOutcome } from './tell-outcome.ts';

/** An upstream as the spool knows it. */
export interface SpoolRoute {
  readonly name: RouteName;
  /** In order of preference. */
  readonly targets: readonly Target[];
}

export interface RunnerSurroundings extends AttemptSurroundings {
  readonly store: SpoolStore;
  readonly room: DraftRoom;
  /** As they count now. */
  readonly routes: () => readonly SpoolRoute[];
  readonly log: Log;
  readonly hostname: string;
  /** How long a message is tried, milliseconds. */
  readonly expiryMs: number;
  /** Attempts at once. */
  readonly maxAttempts: number;
}

/** Others change the spool too: relays that share it, and the operator. */
const LOOK_MS = 5_000;

const SWEEP_MS = 3_600_000;

export class Runner {
  readonly #around: RunnerSurroundings;
  readonly #health = new RouteHealth();
  /** By message: the newest claim, should an older one of ours have ended meanwhile. */
  readonly #claims = new Map<string, Claim>();
  readonly #working = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  #next: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #mustLookAgain = false;
  #isOn = false;

  constructor(around: RunnerSurroundings) {
    this.#around = around;
  }

  start(): void {
    this.#isOn = true;
    this.#around.pool.onAlive = (target): void => this.#revived(target);
    this.#timers.push(
      setInterval(() => void this.#tryTo(async () => this.#renew()), CLAIM_MS / 3).unref(),
      setInterval(() => void this.#tryTo(async () => this.#sweep()), SWEEP_MS).unref(),
    );
    void this.#tryTo(async () => this.#sweep());
    this.wake();
  }

  /** Begins no more attempts; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#isOn = false;
    this.#stopping.abort();
    await this.#looking;
    await Promise.all(this.#working);
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#next);
  }

  /** A client found no hop there: the messages that wait need not try. */
  hopFailed(route: RouteName): void {
    this.#health.failed(route);
  }

  /** Looks for what is due. */
  wake(): void {
    if (!this.#isOn) return;
    this.#mustLookAgain = true;
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
  }

  async #look(): Promise<void> {
    let restMs = LOOK_MS;
    while (this.#mustLookAgain && this.#isOn) {
      this.#mustLookAgain = false;
      restMs = LOOK_MS;
      await this.#tryTo(async () => (restMs = await this.#claimDue()));
    }
    clearTimeout(this.#next);
    if (this.#isOn) this.#next = setTimeout(() => this.wake(), restMs).unref();
  }

  /** @returns when to look again, milliseconds */
  async #claimDue(): Promise<number> {
    const { store, maxAttempts } = this.#around;
    const free = maxAttempts - this.#claims.size;
    if (free <= 0) return LOOK_MS; // the end of an attempt wakes us
    const { paused, restMs } = this.#health;
    const dueMs = ((await store.nextDueAt(paused)) ?? Infinity) - Date.now();
    if (dueMs > 0) return Math.min(LOOK_MS, dueMs, restMs);
    for (const claim of await store.claim(free, paused)) this.#begin(claim);
    return LOOK_MS;
  }

  #begin(claim: Claim): void {
    const { id } = claim.message;
    const isUnderWay = this.#claims.has(id);
    this.#claims.set(id, claim);
    if (isUnderWay) return;
    const work = this.#work(claim).finally(() => {
      this.#claims.delete(id);
      this.#working.delete(work);
      this.wake();
    });
    this.#working.add(work);
  }

  async #work({ message }: Claim): Promise<void> {
    try {
      const { routes, store, log } = this.#around;
      const route = routes().find(({ name }) => name === message.route);
      if (route === undefined) log.emit('spool.stranded', { tid: message.id, route: message.route ?? '' });
      const tried = await attempt(this.#around, {
        message,
        targets: route?.targets ?? [],
        content: () => store.content(message.id),
        signal: this.#stopping.signal,
      });
      if (hadNoHop(tried)) this.#health.failed(message.route);
      const isUnbegun = !this.#isOn && tried.hid === undefined;
      if (isUnbegun) await this.#release(message.id);
      else await this.#settle(afterAttempt(message, tried, Date.now()), tried);
    } catch (error) {
      // Its claim ends by itself; whoever gets it next finds it marked.
      this.#around.log.emit('internal.error', describeError(error));
    }
  }

  /** Not begun: it is as it was. */
  async #release(id: string): Promise<void> {
    const claim = this.#claims.get(id);
    if (claim === undefined) return;
    const message = { ...claim.message, attempts: claim.message.attempts - 1 };
    await this.#tryTo(async () => this.#around.store.settle(claim, message));
  }

  /** A message that was delivered, and is not written down to be, is delivered again: this goes on while it can. */
  async #settle(outcome: Outcome, tried: Attempt): Promise<void> {
    const { signal } = this.#stopping;
    while (!(await this.#tryTo(async () => this.#writeDown(outcome, tried)))) {
      if (signal.aborted) return;
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined); // then for a last time
    }
  }

  async #writeDown(outcome: Outcome, tried: Attempt): Promise<void> {
    const { store, log } = this.#around;
    const { message, isDone } = outcome;
    const claim = this.#claims.get(message.id);
    if (claim === undefined) return;
    const report = await this.#reportOn(outcome);
    const isSettled = await store.settle(claim, isDone ? undefined : message, report);
    if (isSettled) tellOutcome(log, outcome, tried, report?.message.id);
  }

  async #reportOn({ message, notices }: Outcome): Promise<Entry | undefined> {
    if (notices.length === 0) return undefined;
    const { store, room, hostname, expiryMs } = this.#around;
    const content = (): AsyncIterable<Buffer> => store.content(message.id);
    return bounce({ message, notices, content, hostname, id: newId(), expiryMs }, room.draft());
  }

  async #renew(): Promise<void> {
    if (this.#claims.size > 0) await this.#around.store.renew([...this.#claims.values()]);
  }

  async #sweep(): Promise<void> {
    await this.#around.store.sweep();
    await this.#around.room.sweep();
  }

  #revived(target: Target): void {
    for (const { name, targets } of this.#around.routes())
      if (targets.includes(target) && this.#health.revived(name))
        void this.#tryTo(async () => this.#around.store.hopIsBack(name)).then(() => this.wake());
  }

  /** @returns whether the spool could be used */
  async #tryTo(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      if (!(error instanceof RelayError) || error.failure.kind !== 'spool') throw error;
      this.#around.log.emit('spool.unusable', { reason: error.failure.reason });
      return false;
    }
  }
}
