/**
 * Makes a directory and what it is in, each readable by its owner only.
 *
 * One by one, because Node's own recursive form never ends below a directory that takes no entries (`/proc`).
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** @returns whether it had to be made @throws {Error} with `code` */
export async function makeDirectory(directory: string): Promise<boolean> {
  try {
    return await isMade(directory);
  } catch (error) {
    if (!is(error, 'ENOENT') || dirname(directory) === directory) throw error;
  }
  await makeDirectory(dirname(directory));
  return isMade(directory);
}

async function isMade(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (is(error, 'EEXIST')) return false;
    throw error;
  }
}

function is(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
