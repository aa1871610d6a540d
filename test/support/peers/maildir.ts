/**
 * A Maildir as the reader of mail sees it.
 */
import { mkdirSync, watch, type FSWatcher } from 'node:fs';
import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { chownSync } from 'node:fs';

export class Maildir implements Disposable {
  readonly #arrivals: string;
  readonly #watcher: FSWatcher;
  #changed = Promise.withResolvers<void>();

  /** Makes the Maildir, so that a message cannot arrive unseen; owned by the user as whom the server delivers. */
  constructor(path: string, owner: number) {
    for (const name of ['', 'tmp', 'new', 'cur']) {
      mkdirSync(join(path, name), { recursive: true });
      chownSync(join(path, name), owner, owner);
    }
    this.#arrivals = join(path, 'new');
    this.#watcher = watch(this.#arrivals, () => this.#wake());
  }

  /** Waits for that many messages and takes them out of the Maildir, in no order. */
  async take(count: number): Promise<readonly Buffer[]> {
    for (;;) {
      const changed = this.#changed.promise;
      const names = await readdir(this.#arrivals);
      if (names.length >= count) return Promise.all(names.map(async (name) => this.#takeOne(name)));
      await changed;
    }
  }

  /** Waits for a message, the only one, and takes it out of the Maildir. */
  async takeOnly(): Promise<Buffer> {
    const [message, ...others] = await this.take(1);
    if (message === undefined || others.length > 0) throw new Error(`${others.length + 1} messages arrived`);
    return message;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }

  async #takeOne(name: string): Promise<Buffer> {
    const path = join(this.#arrivals, name);
    const message = await readFile(path);
    await unlink(path);
    return message;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
