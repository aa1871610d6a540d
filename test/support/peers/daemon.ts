/**
 * A foreign server as a child process: started in the foreground, ready when its log says so, stopped by its process id.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, watch, writeFileSync } from 'node:fs';

export interface DaemonOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** What its log contains as soon as it accepts connections. */
  readonly ready: RegExp;
  /** For a server that does not log to its standard output or error. */
  readonly logFile?: string;
  readonly uid?: number;
  readonly gid?: number;
}

export class Daemon implements AsyncDisposable {
  readonly #child: ChildProcess;
  /** Ends the server when this process dies without disposing of it: its standard input then ends. */
  readonly #guard: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #options: DaemonOptions;
  #output = '';

  private constructor(options: DaemonOptions) {
    const { command, args, uid, gid } = options;
    const identity = uid === undefined || gid === undefined ? {} : { uid, gid };
    this.#options = options;
    // detached: servers signal their whole process group, and that must not be the test runner's.
    this.#child = spawn(command, args, {
      ...identity,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exited = once(this.#child, 'exit').catch(() => undefined); // never started: told by #ready
    this.#guard = spawn('sh', ['-c', 'read _; kill "$1"', 'sh', String(this.#child.pid)], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  }

  static async start(options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(options);
    try {
      await daemon.#ready();
      return daemon;
    } catch (error) {
      daemon.#guard.kill();
      throw error;
    }
  }

  /** What it has written so far. */
  get output(): string {
    return this.#log();
  }

  /** Resolves when it is gone. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#guard.kill();
    this.#child.kill(signal);
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #ready(): Promise<void> {
    const { command, ready, logFile } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (ready.test(this.#log())) resolve();
    };
    if (logFile !== undefined) writeFileSync(logFile, '', { flag: 'a' });
    const watcher = logFile === undefined ? undefined : watch(logFile, look);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
        look();
      });
    }
    this.#child.once('error', reject);
    this.#child.once('exit', () =>
      reject(new Error(`${command} ended before it was ready:\n${this.#log()}`)),
    );
    if (logFile !== undefined) look(); // on a busy machine it has written before it was watched
    await promise.finally(() => watcher?.close());
  }

  #log(): string {
    const { logFile } = this.#options;
    return logFile === undefined ? this.#output : this.#output + readFileSync(logFile, 'utf8');
  }
}
