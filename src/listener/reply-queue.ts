/**
 * Replies that are still to come, sent in the order of their commands.
 */
export class ReplyQueue {
  #last: Promise<void> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Resolves when all that were added have been sent; undefined when there is nothing to wait for. */
  get sent(): Promise<void> | undefined {
    return this.#last;
  }

  /**
   * @param reply must not reject
   * @param send called with it, behind those added before
   */
  add<R>(reply: Promise<R>, send: (reply: R) => void): void {
    this.#length += 1;
    const sent = sendBehind(this.#last, reply, send).finally(() => {
      this.#length -= 1;
      if (this.#last === sent) this.#last = undefined;
    });
    this.#last = sent;
  }
}

async function sendBehind<R>(
  before: Promise<void> | undefined,
  awaited: Promise<R>,
  send: (reply: R) => void,
): Promise<void> {
  const reply = await awaited;
  await before;
  send(reply);
}
