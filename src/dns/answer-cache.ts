/**
 * Answers of one type, kept for their TTL; equal questions at the same time share one lookup.
 *
 * Guarantees: failures are not kept; no more entries than `MAX_ENTRIES`; a change of the clock has no effect.
 */
import { unlessAborted } from '../protocol/unless-aborted.ts';
import type { Answer } from './answer.ts';
import { DnsError, timedOut } from './dns-error.ts';
import type { TimedAnswer } from './record-set.ts';

/** A resolver has four of these, so about 1,000 answers at most. */
export const MAX_ENTRIES = 250;
const MAX_POSITIVE_SECONDS = 3_600;
const MAX_NEGATIVE_SECONDS = 300;

interface Entry<T> {
  readonly answer: Answer<T>;
  readonly until: number;
}

interface Lookup<T> {
  readonly result: Promise<Answer<T>>;
  readonly controller: AbortController;
  waiting: number;
}

export class AnswerCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #lookups = new Map<string, Lookup<T>>();
  readonly #now: () => number;

  /** @param now milliseconds, never going back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param ask makes the lookup when no answer is kept and none is under way; its signal aborts when nobody waits any more
   * @param signal ends this caller's wait with reason `timeout`
   */
  async get(
    name: string,
    ask: (signal: AbortSignal) => Promise<TimedAnswer<T>>,
    signal: AbortSignal,
  ): Promise<Answer<T>> {
    const entry = this.#entries.get(name);
    if (entry !== undefined && entry.until > this.#now()) return entry.answer;
    if (signal.aborted) throw new DnsError('timeout');
    return waitFor(this.#lookups.get(name) ?? this.#start(name, ask), signal);
  }

  #start(name: string, ask: (signal: AbortSignal) => Promise<TimedAnswer<T>>): Lookup<T> {
    const controller = new AbortController();
    const result = this.#ask(name, ask, controller.signal);
    const lookup = { result, controller, waiting: 0 };
    this.#lookups.set(name, lookup);
    // `waitFor` aborts it when the last one who waits has the result, or has given up.
    controller.signal.addEventListener('abort', () => {
      if (this.#lookups.get(name) === lookup) this.#lookups.delete(name);
    });
    return lookup;
  }

  async #ask(
    name: string,
    ask: (signal: AbortSignal) => Promise<TimedAnswer<T>>,
    signal: AbortSignal,
  ): Promise<Answer<T>> {
    const { answer, ttlSeconds } = await ask(signal);
    const maxSeconds = answer.records.length > 0 ? MAX_POSITIVE_SECONDS : MAX_NEGATIVE_SECONDS;
    this.#keep(name, answer, Math.min(ttlSeconds, maxSeconds));
    return answer;
  }

  #keep(name: string, answer: Answer<T>, seconds: number): void {
    this.#entries.delete(name); // so that a new answer is the youngest
    if (seconds <= 0) return;
    this.#entries.set(name, { answer, until: this.#now() + seconds * 1_000 });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES) return;
      this.#entries.delete(oldest);
    }
  }
}

async function waitFor<T>(lookup: Lookup<T>, signal: AbortSignal): Promise<Answer<T>> {
  lookup.waiting += 1;
  try {
    return await unlessAborted(lookup.result, signal, timedOut);
  } finally {
    lookup.waiting -= 1;
    if (lookup.waiting === 0) lookup.controller.abort();
  }
}
