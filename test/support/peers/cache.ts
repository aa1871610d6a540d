/**
 * Where scripts/peers unpacks the servers that cannot be installed beside Postfix.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The path of a file of an unpacked Debian package. */
export function unpacked(debianPackage: string, file: string): string {
  const path = join(cacheDirectory(), 'sealpost-peers', debianPackage, file);
  if (!existsSync(path)) throw new Error(`${path} is missing: run scripts/peers`);
  return path;
}

/** The same rule as in scripts/peers. */
function cacheDirectory(): string {
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env;
  if (cache !== undefined && cache !== '') return cache;
  return home !== undefined && home !== '' ? join(home, '.cache') : tmpdir();
}
