/**
 * The content of a message on its way up, and how long it and its verdict took.
 */
import type { Reply } from '../protocol/reply.ts';
import type { Body } from '../upstream/body.ts';

export class TimedBody implements Body {
  readonly #body: Body;
  readonly #began = performance.now();
  #ended = this.#began;

  constructor(body: Body) {
    this.#body = body;
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    return this.#body.write(pieces);
  }

  async end(): Promise<Reply> {
    this.#ended = performance.now();
    return this.#body.end();
  }

  /** To be asked for when the verdict is in. */
  get times(): { readonly contentMs: number; readonly verdictMs: number } {
    return {
      contentMs: Math.round(this.#ended - this.#began),
      verdictMs: Math.round(performance.now() - this.#ended),
    };
  }
}
