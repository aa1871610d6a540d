/**
 * The content of messages: a file for each, named like it.
 *
 * Guarantees: a file that was placed is whole and on disk, and so is its name.
 */
import { createReadStream, existsSync, unlinkSync } from 'node:fs';
import { open, readdir, stat, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { RelayError } from '../protocol/failure.ts';
import type { Draft } from './draft.ts';
import { spoolError } from './spool-error.ts';

/**
 * What stays free of a disk, and of a small one: of a spool that has filled its own disk nothing could go out any more,
 * because that has to be written down too.
 */
const RESERVE_OCTETS = 4_194_304;
const RESERVE_PART = 1 / 4;

export class ContentFiles {
  readonly #directory: string;
  /** To sync it. */
  readonly #handle: FileHandle;

  private constructor(directory: string, handle: FileHandle) {
    this.#directory = directory;
    this.#handle = handle;
  }

  static async open(directory: string): Promise<ContentFiles> {
    return new ContentFiles(directory, await open(directory));
  }

  /** @throws {RelayError} spool */
  async place(id: string, content: Draft): Promise<void> {
    try {
      await content.moveTo(this.#path(id));
      await this.#handle.sync();
    } catch (error) {
      throw spoolError(error);
    }
  }

  /** @throws {RelayError} spool, when there is none */
  async *octets(id: string): AsyncGenerator<Buffer> {
    try {
      yield* createReadStream(this.#path(id));
    } catch (error) {
      throw spoolError(error);
    }
  }

  has(id: string): boolean {
    return existsSync(this.#path(id));
  }

  /** Never fails: it is swept later. */
  async discard(id: string): Promise<void> {
    await unlink(this.#path(id)).catch(() => undefined);
  }

  /** At once, while nobody else has a turn. */
  discardNow(id: string): void {
    unlinkSync(this.#path(id));
  }

  /** Those that have stood for so long. @throws {RelayError} spool */
  async olderThan(ms: number): Promise<readonly string[]> {
    try {
      const old: string[] = [];
      for (const id of await readdir(this.#directory)) {
        const found = await stat(this.#path(id)).catch(() => undefined); // delivered meanwhile
        if (found !== undefined && found.ctimeMs <= Date.now() - ms) old.push(id);
      }
      return old;
    } catch (error) {
      throw spoolError(error);
    }
  }

  /** @throws {RelayError} spool, when the disk has no room for so many more beside its reserve */
  async expectRoom(octets: number): Promise<void> {
    const { bavail, blocks, bsize } = await statfs(this.#directory).catch((error: unknown) => {
      throw spoolError(error);
    });
    const reserve = Math.min(RESERVE_OCTETS, blocks * bsize * RESERVE_PART);
    if (bavail * bsize < octets + reserve) throw new RelayError({ kind: 'spool', reason: 'ENOSPC' });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #path(id: string): string {
    return join(this.#directory, id);
  }
}
