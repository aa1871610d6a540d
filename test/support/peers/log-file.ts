/**
 * What a server has written, or will write, to a log file of its own.
 */
import { readFileSync, watch } from 'node:fs';

/** The first match, in the log already or as soon as it is written. */
export async function logged(file: string, pattern: RegExp): Promise<RegExpExecArray> {
  const { promise, resolve } = Promise.withResolvers<RegExpExecArray>();
  const look = (): void => {
    const found = pattern.exec(readFileSync(file, 'utf8'));
    if (found !== null) resolve(found);
  };
  const watcher = watch(file, look);
  look(); // after the watch has begun: nothing falls between
  return promise.finally(() => watcher.close());
}
