/**
 * The content of one message, kept beside while it goes upstream: it becomes a spooled message, or is thrown away.
 *
 * Guarantees: little of it is in memory, the rest in a file; nothing is synced before it is known to stay. What cannot be
 * written costs the message its place in the spool, and nothing else.
 */
import { randomUUID } from 'node:crypto';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { coalesce } from '../protocol/coalesce.ts';
import { errorCode } from '../protocol/error-code.ts';
import { RelayError } from '../protocol/failure.ts';
import { makeDirectory } from '../state/make-directory.ts';
import { spoolError } from './spool-error.ts';

/** A message below it needs no file; a client that is served holds no more than this. */
const HELD_OCTETS = 65_536;

export class Draft {
  octets = 0;
  readonly #directory: string;
  #held: Buffer[] = [];
  #file: { readonly path: string; readonly handle: FileHandle } | undefined;
  /** What is under way; the file is not closed under it. */
  #writing: Promise<void> = Promise.resolve();
  #failed: { readonly error: unknown } | undefined;

  /** @param directory for its file, should it need one */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Takes content; resolves when more is wanted. Never rejects: whoever wants it back hears of what went wrong. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    this.#writing = this.#writing.then(async () => this.#take(pieces));
    return this.#writing;
  }

  /** What was written, from its beginning. @throws {RelayError} spool */
  async *content(): AsyncGenerator<Buffer> {
    await this.#written();
    if (this.#file === undefined) yield* this.#held;
    else yield* this.#file.handle.createReadStream({ start: 0, autoClose: false });
  }

  /**
   * Makes it a file of that name on the same file system, its octets safe on disk. Does not sync the directory.
   *
   * @throws {RelayError} spool
   */
  async moveTo(path: string): Promise<void> {
    await this.#written();
    try {
      const file = await this.#opened();
      await file.handle.sync();
      await rename(file.path, path);
      this.#file = undefined;
      await file.handle.close();
    } catch (error) {
      throw spoolError(error);
    }
  }

  /** Throws it away; once more, or after it was moved, does no harm. */
  discard(): void {
    this.#failed ??= { error: new RelayError({ kind: 'spool', reason: 'discarded' }) };
    this.#writing = this.#writing.then(async () => this.#clear());
  }

  async #take(pieces: readonly Buffer[]): Promise<void> {
    if (this.#failed !== undefined) return;
    try {
      for (const piece of pieces) this.octets += piece.length;
      // A copy: a view of few octets would hold on to all that came with them.
      if (this.octets <= HELD_OCTETS) this.#held.push(Buffer.concat(pieces));
      else await append((await this.#opened()).handle, pieces);
    } catch (error) {
      this.#failed = { error };
      await this.#clear();
    }
  }

  async #opened(): Promise<{ readonly path: string; readonly handle: FileHandle }> {
    if (this.#file !== undefined) return this.#file;
    const path = join(this.#directory, randomUUID());
    this.#file = { path, handle: await created(path) };
    await append(this.#file.handle, this.#held);
    this.#held = [];
    return this.#file;
  }

  async #written(): Promise<void> {
    await this.#writing;
    if (this.#failed !== undefined) throw spoolError(this.#failed.error);
  }

  async #clear(): Promise<void> {
    this.#held = [];
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    await file.handle.close().catch(() => undefined);
    await unlink(file.path).catch(() => undefined); // it is swept later
  }
}

/** A process that was stopped or asleep for long seems dead, and its directory may have been swept away. */
async function created(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx+', 0o600);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    await makeDirectory(dirname(path));
    return open(path, 'wx+', 0o600);
  }
}

async function append(handle: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of coalesce(pieces)) await handle.appendFile(piece);
}
