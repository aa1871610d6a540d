/**
 * Delivers what the spool holds, by and by.
 *
 * Guarantees: a message is worked on by whoever has claimed it, and by nobody else; what becomes of it is written down, or
 * it comes back when the claim has ended. Few attempts run at once towards each upstream, so that clients find hops, and
 * none keeps another waiting; one without a hop is asked for a few messages at growing intervals, and not for each of those
 * that wait.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { describeError } from '../log/describe-error.ts';
import { newId } from '../log/id.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { Target } from '../upstream/target.ts';
import { afterAttempt, type Outcome } from './after-attempt.ts';
import { attempt, failedAttempt, hadNoHop, type Attempt, type AttemptSurroundings } from './attempt.ts';
import { bounce } from './bounce.ts';
import { Claims } from './claims.ts';
import type { DraftRoom } from './draft-room.ts';
import { RouteHealth, type RouteName } from './route-health.ts';
import type { Claim, Entry, SpoolStore } from './spool-store.ts';
import type { SpooledMessage } from './spooled-message.ts';
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
  readonly hostname: string;
  /** How long a message is tried, milliseconds. */
  readonly expiryMs: number;
}

/** At once, towards one upstream: what was kept has time. */
const MAX_ATTEMPTS = 10;

/** Clients go first: attempts have one of so many hops. */
const HOPS_FOR_ONE = 4;

/** Others change the spool too: relays that share it, and the operator. */
const LOOK_MS = 5_000;

const SWEEP_MS = 3_600_000;

export class Runner {
  readonly claims: Claims;
  readonly #around: RunnerSurroundings;
  readonly #health = new RouteHealth();
  /** What each attempt under way is for. */
  readonly #working = new Map<Promise<void>, RouteName>();
  readonly #stopping = new AbortController();
  #sweeping: NodeJS.Timeout | undefined;
  #next: NodeJS.Timeout | undefined;
  #nextAt = Infinity;
  #looking: Promise<void> | undefined;
  #mustLookAgain = false;
  #isOn = false;

  constructor(around: RunnerSurroundings) {
    this.#around = around;
    this.claims = new Claims(around.store);
  }

  start(): void {
    this.#isOn = true;
    this.#around.pool.onAlive = (target): void => this.#revived(target);
    this.#sweeping = setInterval(() => void this.#tryTo(async () => this.#sweep()), SWEEP_MS).unref();
    this.claims.keep(async (renew) => this.#tryTo(renew));
    void this.#tryTo(async () => this.#sweep());
    this.wake();
  }

  /** Begins no more attempts; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#isOn = false;
    this.#stopping.abort();
    await this.#looking;
    await Promise.all(this.#working.keys());
    this.claims.letGo();
    clearInterval(this.#sweeping);
    clearTimeout(this.#next);
  }

  /** A client found no hop there: the messages that wait need not try. */
  hopFailed(route: RouteName): void {
    this.#health.failed(route);
  }

  /** A message was kept that is due then, milliseconds since 1970. */
  expect(dueAt: number): void {
    if (dueAt < this.#nextAt) this.#lookIn(Math.max(0, dueAt - Date.now()));
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
    this.#lookIn(restMs);
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#next);
    if (!this.#isOn) return;
    this.#nextAt = Date.now() + ms;
    this.#next = setTimeout(() => this.wake(), ms).unref();
  }

  /** @returns when to look again, milliseconds */
  async #claimDue(): Promise<number> {
    const { store } = this.#around;
    for (const route of await store.routes()) await this.#tryTo(async () => this.#claimFor(route));
    const dueAt = (await store.nextDueAt()) ?? Infinity;
    return Math.max(0, Math.min(LOOK_MS, dueAt - Date.now(), this.#health.restMs));
  }

  /** Where there is no place, the end of an attempt makes one, and wakes us. */
  async #claimFor(route: RouteName): Promise<void> {
    if (!this.#isOn) return;
    const underWay = [...this.#working.values()].filter((one) => one === route).length;
    const limit = this.#placesFor(route) - underWay;
    if (limit <= 0) return;
    const isPaused = this.#health.isPaused(route);
    for (const claim of await this.#around.store.claim({ route, limit, isPaused })) this.#begin(claim);
  }

  /** Attempts at once. */
  #placesFor(route: RouteName): number {
    const targets = this.#routeNamed(route)?.targets ?? [];
    const share = Math.floor(this.#around.pool.connectionsTo(targets) / HOPS_FOR_ONE);
    return Math.max(1, Math.min(MAX_ATTEMPTS, share));
  }

  #begin(claim: Claim): void {
    const { id, route } = claim.message;
    if (!this.claims.take(claim)) return;
    const work = this.#work(claim).finally(() => {
      this.claims.drop(id);
      this.#working.delete(work);
      this.wake();
    });
    this.#working.set(work, route);
  }

  async #work({ message }: Claim): Promise<void> {
    try {
      const tried = await this.#attempt(message);
      const after = afterAttempt(message, tried, Date.now());
      if (hadNoHop(tried)) this.#health.failed(message.route);
      const mayWait = !this.#isOn || this.#routeNamed(message.route) === undefined;
      const isBegun = tried.hid !== undefined || after.failed.length > 0;
      if (mayWait && !isBegun) await this.#release(message, after);
      else await this.insist(async () => this.#writeDown(after, tried));
    } catch (error) {
      // Its claim ends by itself; whoever gets it next finds it marked.
      this.#around.log.emit('internal.error', describeError(error));
    }
  }

  async #attempt(message: SpooledMessage): Promise<Attempt> {
    const { store, log } = this.#around;
    const route = this.#routeNamed(message.route);
    if (route === undefined) {
      log.emit('spool.stranded', { tid: message.id, route: message.route ?? '' });
      return failedAttempt(this.#around, message, STRANDED);
    }
    try {
      return await attempt(this.#around, {
        message,
        targets: route.targets,
        content: () => store.content(message.id),
        isHeld: async () => this.claims.isHeld(message.id),
        signal: this.#stopping.signal,
      });
    } catch (error) {
      log.emit('internal.error', describeError(error));
      return failedAttempt(this.#around, message, BROKEN);
    }
  }

  #routeNamed(route: RouteName): SpoolRoute | undefined {
    return this.#around.routes().find(({ name }) => name === route);
  }

  /** Not begun: it is as it was, but for what is known about it. Another relay may know the upstream that we do not. */
  async #release(message: SpooledMessage, { message: { recipients } }: Outcome): Promise<void> {
    const released = { ...message, attempts: message.attempts - 1, recipients };
    await this.#tryTo(async () => this.claims.settle(message.id, released));
  }

  /** Goes on until the spool can be written, or we stop: what was done, and is not written down, is done again. */
  async insist(action: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#stopping;
    while (!(await this.#tryTo(action))) {
      if (signal.aborted) return;
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined); // then for a last time
    }
  }

  async #writeDown(outcome: Outcome, tried: Attempt): Promise<void> {
    const { log } = this.#around;
    const { message, isDone, delivered } = outcome;
    const { id } = message;
    const report = await this.#reportOn(outcome, tried);
    const isSettled = await this.claims.settle(id, isDone ? undefined : message, report);
    if (isSettled) tellOutcome(log, outcome, tried, report?.message.id);
    else log.emit('spool.overtaken', { tid: id, hid: tried.hid, delivered: delivered.length });
  }

  async #reportOn({ message, notices }: Outcome, { isSevenBit }: Attempt): Promise<Entry | undefined> {
    if (notices.length === 0) return undefined;
    const { store, room, hostname, expiryMs } = this.#around;
    const content = (): AsyncIterable<Buffer> => store.content(message.id);
    const order = { message, notices, content, hostname, id: newId(), expiryMs, isSevenBit };
    const draft = room.draft();
    try {
      return await bounce(order, draft);
    } catch (error) {
      draft.discard();
      throw error;
    }
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

  /** Never fails: clients are served whatever becomes of the spool. @returns whether it could be used */
  async #tryTo(action: () => Promise<unknown>): Promise<boolean> {
    const { log } = this.#around;
    try {
      await action();
      return true;
    } catch (error) {
      if (error instanceof RelayError && error.failure.kind === 'spool')
        log.emit('spool.unusable', { reason: error.failure.reason });
      else log.emit('internal.error', describeError(error));
      return false;
    }
  }
}

const STRANDED: Failure = {
  kind: 'capacity',
  reason: 'No variable names the upstream of this message any more.',
};

/** A mistake of ours: nobody knows how far it came. */
const BROKEN: Failure = { kind: 'outcome-unknown', phase: 'final', reason: 'internal-error' };
