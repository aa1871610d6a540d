/**
 * The file that the audit trail is written to.
 *
 * Guarantees: what `append` has written is on disk, in the file that is at the path; what it could not write is not there,
 * nor half of it; the chain goes on over rotations, restarts and crashes, and says so where a crash left half a line;
 * of two relays with one file only one writes. Mode 0600 where it is made.
 */
import type { Stats } from 'node:fs';
import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errorCode } from '../protocol/error-code.ts';
import { syncDirectory } from '../state/atomic-file.ts';
import { GENESIS, type Head } from './chain.ts';
import { newestHead, tailOf } from './file-tail.ts';
import type { Block } from './waiting-lines.ts';

/** What was found when a file was opened, where that is worth the first line that is written. */
export type Finding =
  | { readonly event: 'trail.begun'; readonly damaged?: string }
  /** Octets of a line that a crash has left unfinished. */
  | { readonly event: 'trail.resumed'; readonly cut: number };

/** What was done to the file before lines were written: by this class, or by somebody else. */
export type Change =
  /** It was full. */
  | { readonly kind: 'rotated'; readonly file: string }
  /** It is elsewhere now; the chain goes on in a new one. */
  | { readonly kind: 'moved' }
  /** Lines that were written are in no file that could be found. */
  | { readonly kind: 'removed' };

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
   * @param block that follows the head
   * @param changed told of what was done to the file
   * @throws {Error} with `code`, unless somebody else writes to it: nothing was written
   */
  async append({ text, head }: Block, changed: (change: Change) => void): Promise<void> {
    if (this.#isTorn) await this.#cutTorn();
    await this.#findAgain(changed);
    await this.#makeRoom(text.length, changed);
    this.#isTorn = true;
    await this.#handle.appendFile(text);
    await this.#handle.datasync();
    this.#isTorn = false;
    this.#octets += text.length;
    this.#head = head;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Of one that was emptied meanwhile, for room on a full disk, there is nothing to cut: it would be filled with zeros. */
  async #cutTorn(): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size > this.#octets) await this.#handle.truncate(this.#octets);
    this.#isTorn = false;
  }

  /** Who rotates it, or removes it by mistake, may tell nobody. */
  async #findAgain(changed: (change: Change) => void): Promise<void> {
    const own = await this.#handle.stat();
    const there = await statsOf(this.#path);
    if (own.size > this.#octets) throw new Error(FOREIGN);
    if (own.size < this.#octets) changed({ kind: 'removed' });
    this.#octets = own.size;
    if (isSame(own, there)) return;
    if (there !== undefined && there.size > 0) throw new Error(FOREIGN);
    await this.#startNew();
    changed({ kind: own.nlink === 0 ? 'removed' : 'moved' });
  }

  async #makeRoom(octets: number, changed: (change: Change) => void): Promise<void> {
    if (this.#octets === 0 || this.#octets + octets <= this.#maxOctets) return;
    const file = rotatedName(this.#path, this.#head);
    await rename(this.#path, file);
    await this.#startNew();
    changed({ kind: 'rotated', file });
  }

  async #startNew(): Promise<void> {
    const handle = await open(this.#path, 'a', 0o600);
    await syncDirectory(dirname(this.#path));
    await this.#handle.close();
    this.#handle = handle;
    this.#octets = 0;
  }
}

const FOREIGN = 'another relay, or somebody else, writes to the file of SEALPOST_AUDIT_FILE';

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isSame(own: Stats, there: Stats | undefined): boolean {
  return own.ino === there?.ino && own.dev === there.dev;
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
