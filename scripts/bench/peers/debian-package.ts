/**
 * Debian packages that must not be installed because they would remove another mail server: unpacked instead.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';

import type { WorkDirectory } from '../../../test/support/peers/peer.ts';

const run = promisify(execFile);

/** @throws {Error} when Debian has no such package here */
export async function unpackPackage(work: WorkDirectory, name: string): Promise<void> {
  const asRoot = ['-o', 'APT::Sandbox::User=root'];
  await run('apt-get', [...asRoot, 'download', name], { cwd: work.path }).catch((error: unknown) => {
    throw new Error(`this machine's Debian has no package ${name}`, { cause: error });
  });
  const file = readdirSync(work.path).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new Error(`apt-get downloaded nothing for ${name}`);
  await run('dpkg-deb', ['-x', work.at(file), work.path]);
}
