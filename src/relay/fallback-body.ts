/**
 * Content that goes up and into a draft at once; after a failure that may pass into the draft alone.
 *
 * Guarantees: the draft has all of the content, whenever the upstream failed; the slower of the two sets the pace.
 */
import type { Reply } from '../protocol/reply.ts';
import type { Draft } from '../spool/draft.ts';
import type { Body } from '../upstream/body.ts';

/** What becomes of the message. */
export interface Fallback {
  /** @throws the error, where it is no reason to keep the message */
  failed(error: unknown): Promise<void>;
  /** The draft has all of the content, and the upstream has not heard of its end. @throws what keeps it from hearing */
  ending(): Promise<void>;
  /** @param verdict of the upstream; undefined where it failed @returns what the client is told */
  ended(verdict: Reply | undefined): Promise<Reply>;
}

export class FallbackBody implements Body {
  readonly #draft: Draft;
  readonly #fallback: Fallback;
  #upstream: Body | undefined;

  /** @param upstream undefined where the upstream takes nothing as it is */
  constructor(draft: Draft, upstream: Body | undefined, fallback: Fallback) {
    this.#draft = draft;
    this.#upstream = upstream;
    this.#fallback = fallback;
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    await Promise.all([this.#goOn(async (body) => body.write(pieces)), this.#draft.write(pieces)]);
  }

  async end(): Promise<Reply> {
    if (this.#upstream !== undefined) await this.#fallback.ending();
    return this.#fallback.ended(await this.#goOn(async (body) => body.end()));
  }

  async #goOn<T>(act: (upstream: Body) => Promise<T>): Promise<T | undefined> {
    if (this.#upstream === undefined) return undefined;
    try {
      return await act(this.#upstream);
    } catch (error) {
      this.#upstream = undefined;
      await this.#fallback.failed(error);
      return undefined;
    }
  }
}
