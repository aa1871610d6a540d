/**
 * The images that the Dockerfile starts from, made on the spot of the programs of this machine: no registry is asked.
 *
 * One builds: Node, npm and a shell. One runs: a C++ runtime and the authorities, as small as a distroless image. One is the
 * legacy program beside the relay: curl.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { DockerEngine } from './docker-engine.ts';

export const BASES = { build: 'sealpost-base-build', runtime: 'sealpost-base-runtime', app: 'sealpost-app' };

const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';
/** What npm, and the scripts of package.json and the Dockerfile, call. */
const BUILD_PROGRAMS = ['/bin/sh', '/usr/bin/env', '/usr/bin/install'];
const APP_PROGRAMS = ['/usr/bin/curl', '/usr/bin/sleep'];

export async function makeBases(engine: DockerEngine): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'sealpost-bases-'));
  try {
    await Promise.all([
      importImage(engine, BASES.build, buildRoot(join(directory, 'build'))),
      importImage(engine, BASES.runtime, rootOf(join(directory, 'runtime'), librariesOf([process.execPath]))),
      importImage(engine, BASES.app, rootOf(join(directory, 'app'), withLibraries(APP_PROGRAMS))),
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function buildRoot(root: string): string {
  rootOf(root, [...withLibraries(BUILD_PROGRAMS), ...librariesOf([process.execPath])]);
  const local = join(root, 'usr/local');
  mkdirSync(join(local, 'bin'), { recursive: true });
  copyFileSync(process.execPath, join(local, 'bin/node'));
  const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--silent'];
  execFileSync('npm', ['install', '--prefix', join(local, 'lib'), ...quietly, 'npm@11'], { stdio: 'pipe' });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  return root;
}

/** A root directory with these files and the authorities. */
function rootOf(root: string, files: readonly string[]): string {
  mkdirSync(join(root, 'tmp'), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  for (const file of [...new Set([...files, AUTHORITIES])].filter((name) => existsSync(name))) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    copyFileSync(file, join(root, file));
  }
  return root;
}

function withLibraries(programs: readonly string[]): readonly string[] {
  return [...programs, ...librariesOf(programs)];
}

/** What the dynamic linker would load: its lines are `name => /path (address)` or `/path (address)`. */
function librariesOf(programs: readonly string[]): readonly string[] {
  const lines = execFileSync('ldd', programs, { encoding: 'utf8' });
  return [...lines.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '');
}

async function importImage(engine: DockerEngine, name: string, root: string): Promise<void> {
  // npm in the image must trust what npm outside of it trusts.
  const change = `ENV NODE_EXTRA_CA_CERTS=${AUTHORITIES}`;
  const tar = spawn('tar', ['-C', root, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const docker = spawn('docker', ['import', '--change', change, '-', name], {
    env: engine.environment,
    stdio: [tar.stdout, 'ignore', 'inherit'],
  });
  await once(docker, 'exit');
  if (docker.exitCode !== 0) throw new Error(`docker import ${name} ended with ${docker.exitCode}`);
}
