/**
 * Where the chain of a file ends, and which file goes on from which.
 */
import { open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { errorCode } from '../protocol/error-code.ts';
import { readLine, type Head } from './chain.ts';

/** Longer than any line. */
const TAIL_OCTETS = 1_048_576;

export type FileTail =
  | { readonly kind: 'empty' }
  /** `octets` up to the end of the last line; what is behind it a crash has left. */
  | { readonly kind: 'intact'; readonly head: Head; readonly octets: number; readonly torn: number }
  /** The last line is not as it was sealed. */
  | { readonly kind: 'damaged' };

/** A file that is not there is empty. @throws {Error} with `code` */
export async function tailOf(path: string): Promise<FileTail> {
  const { size, tail } = await readTail(path);
  const end = tail.lastIndexOf('\n') + 1;
  const torn = tail.length - end;
  if (size === torn && size < TAIL_OCTETS) return size === 0 ? { kind: 'empty' } : { kind: 'damaged' };
  const begin = tail.lastIndexOf('\n', end - 2) + 1;
  const head = end === 0 ? undefined : readLine(tail.toString('utf8', begin, end - 1));
  return head === undefined ? { kind: 'damaged' } : { kind: 'intact', head, octets: size - torn, torn };
}

async function readTail(path: string): Promise<{ readonly size: number; readonly tail: Buffer }> {
  try {
    await using handle = await open(path, 'r');
    const { size } = await handle.stat();
    const length = Math.min(size, TAIL_OCTETS);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return { size, tail: buffer.subarray(0, bytesRead) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { size: 0, tail: Buffer.alloc(0) };
    throw error;
  }
}

/** Files that were once this one: whoever rotates them adds something to the name. */
export async function rotatedFrom(path: string): Promise<readonly string[]> {
  const name = basename(path);
  const names = await readdir(dirname(path));
  return names
    .filter((one) => /^[.-]/.test(one.slice(name.length)) && one.startsWith(name))
    .map((one) => join(dirname(path), one));
}

/** Where the newest of those ends; undefined when there is none that can be read. */
export async function newestHead(path: string): Promise<Head | undefined> {
  let newest: Head | undefined;
  for (const file of await rotatedFrom(path)) {
    const tail = await tailOf(file).catch(() => undefined);
    if (tail?.kind === 'intact' && tail.head.seq > (newest?.seq ?? 0)) newest = tail.head;
  }
  return newest;
}
