/**
 * A password given by file, so that it stands in no process list and in no shell history.
 */
import { readFile } from 'node:fs/promises';

import { UsageError } from './usage-error.ts';

/** The first line of the file, without its line ending. */
export async function readPasswordFile(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`the password file ${file} cannot be read`, { cause });
  }
  const line = text.split(/\r?\n/, 1)[0] ?? '';
  if (line === '') throw new UsageError(`the first line of the password file ${file} is empty`);
  return line;
}
