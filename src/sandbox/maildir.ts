/**
 * A Maildir: one file for each message, octet for octet as received.
 *
 * Guarantees: a file in `new` is complete and on disk; a message that broke off leaves nothing behind.
 */
import { rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { writeSynced } from '../state/atomic-file.ts';
import { makeDirectory } from '../state/make-directory.ts';

let delivered = 0;

export class Maildir {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes what is missing of the three directories. */
  static async open(directory: string): Promise<Maildir> {
    for (const part of ['tmp', 'new', 'cur']) {
      await makeDirectory(join(directory, part));
    }
    return new Maildir(directory);
  }

  /** @returns the path of the new file */
  async deliver(content: AsyncIterable<Buffer>): Promise<string> {
    const name = uniqueName();
    const unfinished = join(this.#directory, 'tmp', name);
    const finished = join(this.#directory, 'new', name);
    try {
      await writeSynced(unfinished, content, { mode: 0o600 });
      await rename(unfinished, finished);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    return finished;
  }
}

/** Time, process and a counter make it unique on this machine; `/` and `:` have a meaning in Maildir names. */
function uniqueName(): string {
  delivered += 1;
  const now = Date.now();
  const host = hostname().replaceAll('/', '\\057').replaceAll(':', '\\072');
  return `${Math.floor(now / 1000)}.M${(now % 1000) * 1000}P${process.pid}Q${delivered}.${host}`;
}
