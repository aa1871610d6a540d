/**
 * Lets messages go up no faster than the upstream takes them.
 *
 * Guarantees: whoever waits hears soon whether it is in vain, and how long it would take; a turn that no message was sent
 * in is given back; what clients do not wait for leaves some turns of each minute to them.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { RelayError } from '../protocol/failure.ts';
import { accountKey } from './account-key.ts';
import type { Caps, Turn } from './caps.ts';
import type { PooledHop } from './pooled-hop.ts';
import type { Target } from './target.ts';

export interface Waiter {
  readonly patienceMs: number;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Whether no client waits for it. */
  readonly isBackground?: boolean | undefined;
}

/** Of the turns; clients have all of them. */
const BACKGROUND_PART = 3 / 4;

export class Pace {
  readonly #caps: Caps;
  /** By the hop that the turn is used on: the turn, and how many transactions the hop had begun before. */
  readonly #used = new Map<PooledHop, { readonly turn: Turn; readonly before: number }>();

  constructor(caps: Caps) {
    this.#caps = caps;
  }

  /** Resolves when it is there. @throws {RelayError} capacity, when it comes too late */
  async turn(
    target: Target,
    perMinute: number,
    { patienceMs, signal, isBackground = false }: Waiter,
  ): Promise<Turn> {
    const part = isBackground ? Math.max(1, Math.floor(perMinute * BACKGROUND_PART)) : perMinute;
    const turn = await this.#caps.takeTurn(accountKey(target), part, patienceMs);
    if ('tooLateMs' in turn) throw tooMany(perMinute, turn.tooLateMs);
    try {
      if (turn.waitMs > 0) await delay(turn.waitMs, undefined, { signal });
      return turn;
    } catch (error) {
      turn.giveBack();
      throw tooMany(perMinute, turn.waitMs, error); // or the relay stops, or nobody listens any more
    }
  }

  /** It belongs to what is sent on the hop now. */
  use(turn: Turn, lease: PooledHop): void {
    this.#used.set(lease, { turn, before: lease.hop.transactions });
  }

  /** The hop is given back. */
  end(lease: PooledHop): void {
    const used = this.#used.get(lease);
    if (used === undefined) return;
    this.#used.delete(lease);
    if (lease.hop.transactions === used.before) used.turn.giveBack();
  }
}

function tooMany(perMinute: number, ms: number, cause?: unknown): RelayError {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  const reason = `No more than ${perMinute} messages a minute may go to the upstream; send it again in ${seconds} seconds.`;
  return new RelayError({ kind: 'capacity', reason }, { cause });
}
