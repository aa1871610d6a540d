/**
 * Debian's Docker engine, started by hand: its own socket, its own data, no bridge and no rule of a firewall.
 *
 * Guarantees: another engine of the machine is neither used nor disturbed; nothing is left when it is disposed of.
 */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { Daemon } from './daemon.ts';

const run = promisify(execFile);

/** Debian's own: a foreign client earlier in PATH wants plugins. */
const DOCKER = '/usr/bin/docker';
const COMPOSE = '/usr/bin/docker-compose';
const DOCKERD = '/usr/sbin/dockerd';

/** Where the machine may not raise its own limits, its containers may not either. */
const LIMITS = ['--default-ulimit', 'nofile=1024:1024', '--default-ulimit', 'nproc=1024:1024'];
const NO_NETWORK_OF_ITS_OWN = ['--bridge=none', '--iptables=false', '--ip6tables=false'];

export class DockerEngine implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #directory: string;

  private constructor(daemon: Daemon, directory: string) {
    this.#daemon = daemon;
    this.#directory = directory;
  }

  static async start(): Promise<DockerEngine> {
    const directory = mkdtempSync(join(tmpdir(), 'sealpost-docker-'));
    // Containers of another user pass through it.
    chmodSync(directory, 0o711);
    const at = (name: string): string => join(directory, name);
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
    const daemon = await Daemon.start({
      command: DOCKERD,
      args: ['--host', `unix://${at('socket')}`, ...places, ...NO_NETWORK_OF_ITS_OWN, ...LIMITS],
      ready: /API listen on/,
    });
    return new DockerEngine(daemon, directory);
  }

  /** For those who talk to it otherwise. */
  get environment(): Record<string, string> {
    return {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: this.#directory,
      DOCKER_HOST: `unix://${join(this.#directory, 'socket')}`,
      DOCKER_BUILDKIT: '1',
    };
  }

  /** @returns what `docker …` says on its standard output @throws with what it says on both, where it fails */
  async docker(...args: readonly string[]): Promise<string> {
    return this.#run(DOCKER, args, {});
  }

  async compose(args: readonly string[], variables: Readonly<Record<string, string>>): Promise<string> {
    return this.#run(COMPOSE, args, variables);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ids = (await this.docker('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
    if (ids.length > 0) await this.docker('rm', '--force', '--volumes', ...ids);
    await this.docker('network', 'prune', '--force'); // theirs are bridges of this machine
    await this.#daemon[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #run(
    program: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>>,
  ): Promise<string> {
    const env = { ...this.environment, ...variables };
    const { stdout } = await run(program, [...args], { env, maxBuffer: 16 * 1024 * 1024 });
    return stdout.trim();
  }
}
