/**
 * Where drafts have their files: a directory of this process, in one that other processes use too.
 *
 * Guarantees: what a crash left behind is swept once nobody can be writing it. A process shows by the time of its
 * directory that it lives; numbers of processes say nothing across containers.
 */
import { randomUUID } from 'node:crypto';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { Draft } from './draft.ts';
import { spoolError } from './spool-error.ts';
import { makeDirectory } from '../state/make-directory.ts';

const SIGN_OF_LIFE_MS = 10_000;
const DEAD_AFTER_MS = 60_000;

export class DraftRoom {
  readonly #parent: string;
  readonly #directory: string;
  readonly #timer: NodeJS.Timeout;

  private constructor(parent: string, directory: string) {
    this.#parent = parent;
    this.#directory = directory;
    this.#timer = setInterval(() => void this.#showLife(), SIGN_OF_LIFE_MS).unref();
  }

  /** @throws {RelayError} spool */
  static async open(parent: string): Promise<DraftRoom> {
    const directory = join(parent, randomUUID());
    try {
      await makeDirectory(directory);
    } catch (error) {
      throw spoolError(error);
    }
    return new DraftRoom(parent, directory);
  }

  draft(): Draft {
    return new Draft(this.#directory);
  }

  /** Removes the directories of processes that are dead. */
  async sweep(): Promise<void> {
    const deadline = Date.now() - DEAD_AFTER_MS;
    for (const name of await readdir(this.#parent).catch(() => [])) {
      const directory = join(this.#parent, name);
      const found = await stat(directory).catch(() => undefined); // another process swept it
      const isDead = directory !== this.#directory && found !== undefined && found.mtimeMs < deadline;
      if (isDead) await rm(directory, { recursive: true, force: true }).catch(() => undefined); // later, then
    }
  }

  /** What cannot be removed (the disk has become read-only) is swept later. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await rm(this.#directory, { recursive: true, force: true }).catch(() => undefined);
  }

  async #showLife(): Promise<void> {
    const now = new Date();
    await utimes(this.#directory, now, now).catch(() => undefined); // swept, or a full disk: drafts see to it
  }
}
