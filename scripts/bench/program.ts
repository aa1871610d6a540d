/**
 * A server as a child process: started in the foreground, in a network namespace if one is given, ready when it listens,
 * stopped by its process id.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { ExitGuard } from './exit-guard.ts';
import { listens } from './listening-ports.ts';

const START_MS = 20_000;
const STOP_MS = 10_000;
const LOOK_AGAIN_MS = 20;
/** $1 is the process group; what does not heed a SIGTERM has no more time than this. */
const STOP_GROUP = 'kill -s TERM -- "-$1"; sleep 2; kill -s KILL -- "-$1"';

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Takes standard output and standard error. */
  readonly logFile: string;
  /** It is ready when somebody listens on this TCP port of its namespace. */
  readonly port?: number;
  /** For a program that listens nowhere. */
  readonly isReady?: (output: string) => boolean;
  /** Name of the network namespace it lives in; without one, the machine's. */
  readonly namespace?: string | undefined;
}

export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #guard: ExitGuard;
  readonly #exited: Promise<unknown>;
  readonly #options: ProgramOptions;
  #isDisposed = false;

  private constructor(options: ProgramOptions) {
    this.#options = options;
    const [command = '', ...args] = inNamespace(options.namespace, [options.command, ...options.args]);
    const log = openSync(options.logFile, 'a');
    // detached: it gets a process group of its own, which is stopped as a whole.
    this.#child = spawn(command, args, {
      cwd: options.directory,
      env: { PATH: process.env['PATH'] ?? '', LANG: 'C', ...options.environment },
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#exited = once(this.#child, 'exit').catch(() => undefined); // never started: told by #ready
    this.#guard = new ExitGuard(STOP_GROUP, String(this.#child.pid));
  }

  /** @throws {Error} with its output, when it ends or does not listen in time */
  static async start(options: ProgramOptions): Promise<Program> {
    const program = new Program(options);
    try {
      await program.#ready();
      return program;
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  get processId(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#options.command} has not started`);
    return this.#child.pid;
  }

  /** Lines that it wrote so far and nobody dropped. */
  get output(): string {
    return readFileSync(this.#options.logFile, 'utf8');
  }

  /** Empties its log: a million messages make a log of gigabytes. */
  dropOutput(): void {
    truncateSync(this.#options.logFile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#guard.cancel();
    if (this.#child.pid === undefined || this.#isDisposed) return;
    this.#isDisposed = true; // its process id may be another's from now on
    this.#signal('SIGTERM');
    const patience = setTimeout(() => this.#signal('SIGKILL'), STOP_MS);
    await this.#exited;
    clearTimeout(patience);
    this.#signal('SIGKILL'); // children that outlived it
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.processId, signal);
    } catch {
      // the whole group has ended
    }
  }

  async #ready(): Promise<void> {
    const { command } = this.#options;
    const ended = new AbortController();
    this.#child.once('error', () => ended.abort());
    this.#child.once('exit', () => ended.abort());
    const deadline = performance.now() + START_MS;
    while (!ended.signal.aborted && performance.now() < deadline) {
      if (this.#isReady()) return;
      await sleep(LOOK_AGAIN_MS);
    }
    const what = ended.signal.aborted ? 'ended before it listened' : 'does not listen';
    throw new Error(`${command} ${what}: ${this.output.slice(-2_000)}`);
  }

  #isReady(): boolean {
    const { port, isReady } = this.#options;
    if (this.#child.pid === undefined) return false;
    if (isReady !== undefined) return isReady(this.output);
    return port !== undefined && listens(this.#child.pid, port);
  }
}

/** The same command, run inside a network namespace. */
export function inNamespace(namespace: string | undefined, command: readonly string[]): readonly string[] {
  return namespace === undefined ? command : ['ip', 'netns', 'exec', namespace, ...command];
}
