/**
 * Systems under test that come from the npm registry: into a directory of the run, never into the project.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

import type { WorkDirectory } from '../../../test/support/peers/peer.ts';

const run = promisify(execFile);

/**
 * @param asOf no version younger than this day is taken
 * @throws {Error} with npm's reason
 */
export async function installPackages(
  work: WorkDirectory,
  asOf: string,
  ...names: readonly string[]
): Promise<void> {
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional', '--loglevel=error'];
  await run('npm', ['install', ...quiet, `--before=${asOf}`, '--prefix', work.path, ...names]);
}

export function installedVersion(work: WorkDirectory, name: string): string {
  const text = readFileSync(work.at(`node_modules/${name}/package.json`), 'utf8');
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown';
}
