/**
 * The ways to a target race: the first to open wins.
 *
 * Guarantees: credentials that are refused on one way are not offered on another; what loses is closed.
 */
import { RelayError } from '../protocol/failure.ts';
import { mostTelling } from './most-telling.ts';

/** How long the preferred way is waited for before the next one joins. */
const JOIN_MS = 2_000;

/** What a runner knows of the others. */
export interface Race {
  /** Aborts when another has won. */
  readonly givenUp: AbortSignal;
  /**
   * To be asked before credentials are offered. Then nobody joins any more, and who has joined already waits until the
   * one before has ended.
   */
  readonly mayAuth: () => Promise<void>;
}

/**
 * Starts with the first; the next joins when one fails or none has opened for a while; the first to open wins and the
 * others are given up. Credentials that are refused are not offered on another way: that locks accounts.
 *
 * @param discard takes what opened too late
 * @throws the failure that tells most, when all have failed
 */
export async function firstToOpen<W, H>(
  ways: readonly W[],
  open: (way: W, race: Race) => Promise<H>,
  discard: (late: H) => void,
): Promise<H> {
  const losers = new AbortController();
  const waiting = [...ways];
  const failures: RelayError[] = [];
  return new Promise((resolve, reject) => {
    let isSettled = false;
    let timer: NodeJS.Timeout | undefined;
    let turn = Promise.resolve();
    const startNext = (): void => {
      clearTimeout(timer);
      const way = waiting.shift();
      if (way === undefined) return;
      if (waiting.length > 0) timer = setTimeout(startNext, JOIN_MS);
      const ended = Promise.withResolvers<void>();
      const mayAuth = async (): Promise<void> => {
        clearTimeout(timer);
        const before = turn;
        turn = ended.promise;
        return before;
      };
      void open(way, { givenUp: losers.signal, mayAuth }).then(win, lose).finally(ended.resolve);
    };
    const settle = (): void => {
      isSettled = true;
      clearTimeout(timer);
      losers.abort();
    };
    const win = (opened: H): void => {
      if (isSettled) return discard(opened);
      settle();
      return resolve(opened);
    };
    const lose = (error: unknown): void => {
      if (isSettled) return;
      if (error instanceof RelayError && error.failure.kind !== 'auth') {
        failures.push(error);
        if (failures.length < ways.length) return startNext();
      }
      settle();
      reject(failures.length === ways.length ? mostTelling(failures) : error);
    };
    startNext();
  });
}
