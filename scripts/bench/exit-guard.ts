/**
 * A shell command that runs when this process ends, in whatever way: even a kill -9 must leave no server and no
 * network namespace behind.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export class ExitGuard implements AsyncDisposable {
  readonly #shell: ChildProcess;
  readonly #exited: Promise<unknown>;

  /** @param args reach the command as $1, $2, … */
  constructor(command: string, ...args: readonly string[]) {
    // Its standard input ends with this process. detached: a signal to our process group must not end it first.
    this.#shell = spawn('sh', ['-c', `read _; ${command}`, 'sh', ...args], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#exited = once(this.#shell, 'exit');
  }

  /** The command is not needed any more. */
  cancel(): void {
    this.#shell.kill();
  }

  /** Runs the command now. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#shell.stdin?.end();
    await this.#exited;
  }
}
