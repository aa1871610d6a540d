/**
 * What one account at an upstream may be used for, where the provider counts: connections, and messages in a minute.
 *
 * Guarantees: in no minute begin more messages than the cap; everybody is told at once how long it takes. Who asks with a
 * smaller cap than others leaves the rest of theirs to them.
 */
const MINUTE_MS = 60_000;

/** The right to send one message. */
export interface Turn {
  /** Until it comes, milliseconds. */
  readonly waitMs: number;
  /** To be called when no message was sent; it is somebody else's then. Once more does no harm. */
  giveBack(): void;
}

/** When the next turn would have come; none was taken, because that is too late. */
export interface TooLate {
  readonly tooLateMs: number;
}

/** What there is of connections, and what there is use for. */
export interface Demand {
  readonly held: number;
  readonly wanted: number;
  /** Called when the share is another one. */
  shareChanged(): void;
}

/** How many connections to an account are for one pool of them. */
export interface ConnectionShare {
  /** There may be no more. */
  readonly bound: number;
  /** There is use for more, or for fewer, and somebody waits. */
  hurry(): void;
  /** There are none any more. */
  end(): void;
}

export interface Caps {
  /** @param max for all processes together */
  shareConnections(account: string, max: number, demand: Demand): ConnectionShare;
  /**
   * Takes the next turn, if it comes in time.
   *
   * @param account a key of the account, the same in all processes
   * @param patienceMs how long whoever asks can wait
   */
  takeTurn(account: string, perMinute: number, patienceMs: number): Promise<Turn | TooLate>;
}

/** Of this process alone. */
export class OwnCaps implements Caps {
  readonly #now: () => number;
  /** By account: when the turns of the last minute came or are to come, in order. */
  readonly #turns = new Map<string, number[]>();

  /** @param now milliseconds */
  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** Nobody else counts. */
  shareConnections(): ConnectionShare {
    return { bound: Infinity, hurry: () => undefined, end: () => undefined };
  }

  /** A turn was taken elsewhere, and comes then. */
  note(account: string, waitMs: number): void {
    const now = this.#now();
    insert(this.#newest(account, now), now + waitMs);
  }

  async takeTurn(account: string, perMinute: number, patienceMs: number): Promise<Turn | TooLate> {
    const now = this.#now();
    const turns = this.#newest(account, now);
    const one = turns.at(-perMinute);
    const at = Math.max(now, one === undefined ? now : one + MINUTE_MS);
    if (at - now > patienceMs) return { tooLateMs: at - now };
    insert(turns, at);
    return Promise.resolve({ waitMs: at - now, giveBack: once(() => remove(turns, at)) });
  }

  #newest(account: string, now: number): number[] {
    for (const [key, turns] of this.#turns) {
      const past = turns.findLastIndex((at) => at <= now - MINUTE_MS);
      turns.splice(0, past + 1);
      if (turns.length === 0) this.#turns.delete(key);
    }
    const turns = this.#turns.get(account) ?? [];
    this.#turns.set(account, turns);
    return turns;
  }
}

/** What does nothing when it is called again. */
export function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}

/** Who asked with a smaller cap may have a later turn than those who come now. */
function insert(turns: number[], at: number): void {
  turns.splice(turns.findLastIndex((other) => other <= at) + 1, 0, at);
}

function remove(turns: number[], at: number): void {
  const index = turns.indexOf(at);
  if (index >= 0) turns.splice(index, 1);
}
