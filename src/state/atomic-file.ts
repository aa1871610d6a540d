/**
 * Files that outlive the process, also one that ends in the middle of writing.
 *
 * Guarantees: whoever reads a file sees the old content or the new (written aside, fsync, rename); when the promise
 * resolves the new one is on disk.
 */
import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Who may read a file, and whose it is. */
export interface FileRights {
  readonly mode: number;
  /** Undefined: whoever the process runs as. */
  readonly owner?: Owner | undefined;
}

/** Puts a file in its place, or another content in the place of its old one. */
export async function writeFileAtomically(
  file: string,
  content: string | Buffer,
  rights: FileRights,
): Promise<void> {
  const fresh = `${file}.new-${randomUUID()}`;
  try {
    await writeSynced(fresh, content, rights);
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await syncDirectory(dirname(file));
}

/** Writes a file that is not there yet; its name is on disk after `syncDirectory`. */
export async function writeSynced(
  file: string,
  content: string | Buffer | AsyncIterable<Buffer>,
  { mode, owner }: FileRights,
): Promise<void> {
  const handle = await open(file, 'wx', mode);
  try {
    await handle.chmod(mode); // the process's umask may have taken bits away
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes what was renamed, made or removed in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
