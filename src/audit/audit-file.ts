/**
 * The file that the audit trail is written to.
 *
 * Guarantees: what `append` has written is on disk; what it could not write is not there, nor half of it; the chain goes on
 * over rotations, restarts and crashes, and says so where a crash left half a line. Mode 0600 where it is made.
 */
import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errorCode } from '../protocol/error-code.ts';
import { syncDirectory } from '../state/atomic-file.ts';
import { GENESIS, type Head, type SealedLine } from './chain.ts';
import { newestHead, tailOf } from './file-tail.ts';

/** What was found when a file was opened, where that is worth the first line that is written. */
export type Finding =
  | { readonly event: 'trail.begun'; readonly damaged?: string }
  /** Octets of a line that a crash has left unfinished. */
  | { readonly event: 'trail.resumed'; readonly cut: number };

export class AuditFile {
  readonly finding: Finding | undefined;
  readonly #path: string;
  readonly #maxOctets: number;
  #handle: FileHandle;
  #head: Head;
  #octets: number;
  /** Whether there may be half of what could not be written. */
  #isTorn = false;

  private constructor(path: string, maxOctets: number, opened: Opened) {
    this.#path = path;
    this.#maxOctets = maxOctets;
    this.#handle = opened.handle;
    this.#head = opened.head;
    this.#octets = opened.octets;
    this.finding = opened.finding;
  }

  /** @param maxOctets beyond which it is rotated @throws {Error} with `code` */
  static async open(path: string, maxOctets: number): Promise<AuditFile> {
    return new AuditFile(path, maxOctets, await openAt(path));
  }

  /** Of the last line that is on disk. */
  get head(): Head {
    return this.#head;
  }

  /**
   * @param lines that follow the head, one at least
   * @returns the name of the file that was full before, if one was @throws {Error} with `code`: nothing was written
   */
  async append(lines: readonly SealedLine[]): Promise<string | undefined> {
    if (this.#isTorn) await this.#handle.truncate(this.#octets);
    this.#isTorn = false;
    const text = Buffer.from(lines.map(({ line }) => `${line}\n`).join(''));
    const rotated = await this.#makeRoom(text.length);
    this.#isTorn = true;
    await this.#handle.appendFile(text);
    await this.#handle.datasync();
    this.#isTorn = false;
    this.#octets += text.length;
    const { seq, hash } = lines.at(-1) ?? this.#head;
    this.#head = { seq, hash };
    return rotated;
  }

  /** Goes on at its path where somebody has moved the file away. @throws {Error} with `code` */
  async reopen(): Promise<void> {
    const [own, there] = await Promise.all([this.#handle.stat(), stat(this.#path).catch(() => undefined)]);
    if (own.ino !== there?.ino || own.dev !== there.dev) await this.#startNew();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #makeRoom(octets: number): Promise<string | undefined> {
    if (this.#octets === 0 || this.#octets + octets <= this.#maxOctets) return undefined;
    const rotated = rotatedName(this.#path, this.#head);
    await rename(this.#path, rotated).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error; // the last try got no further
    });
    await this.#startNew();
    return rotated;
  }

  async #startNew(): Promise<void> {
    const handle = await open(this.#path, 'a', 0o600);
    await syncDirectory(dirname(this.#path));
    await this.#handle.close();
    this.#handle = handle;
    this.#octets = (await handle.stat()).size;
  }
}

interface Opened {
  readonly handle: FileHandle;
  readonly head: Head;
  readonly octets: number;
  readonly finding: Finding | undefined;
}

async function openAt(path: string): Promise<Opened> {
  const tail = await tailOf(path);
  if (tail.kind === 'damaged') {
    const damaged = `${path}.damaged-${Date.now()}`;
    await rename(path, damaged);
    const begun = await openAt(path);
    return { ...begun, finding: { event: 'trail.begun', damaged } };
  }
  const handle = await open(path, 'a', 0o600);
  if (tail.kind === 'empty') {
    await syncDirectory(dirname(path));
    const head = await newestHead(path);
    const finding = head === undefined ? ({ event: 'trail.begun' } as const) : undefined;
    return { handle, head: head ?? GENESIS, octets: 0, finding };
  }
  const { head, octets, torn } = tail;
  if (torn > 0) await handle.truncate(octets);
  const finding = torn > 0 ? ({ event: 'trail.resumed', cut: torn } as const) : undefined;
  return { handle, head, octets, finding };
}

/** By its last line, so that names sort and no two are the same. */
function rotatedName(path: string, { seq }: Head): string {
  return `${path}.${String(seq).padStart(12, '0')}`;
}

/** For people. */
export function fileReason(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.message : 'unknown');
}
