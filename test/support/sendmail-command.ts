/**
 * `sealpost-sendmail` as a command of its own in a temporary directory, and programs that are given it for theirs.
 */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { INHERITED } from './inherited-environment.ts';

const CLI = fileURLToPath(new URL('../../src/sendmail-cli.ts', import.meta.url));

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export class SendmailCommand implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'sealpost-sendmail-test-'));
  readonly path: string;
  /** What every run has in its environment, as a service's unit or a container would set it. */
  readonly env: Readonly<Record<string, string>>;

  constructor(relayPort: number) {
    chmodSync(this.directory, 0o755);
    this.path = this.file('sendmail', `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`, 0o755);
    this.env = {
      ...INHERITED,
      HOME: this.directory,
      LC_ALL: 'C.UTF-8',
      SEALPOST_LISTEN: `127.0.0.1:${relayPort}`,
      SEALPOST_HOSTNAME: 'host.example.test',
    };
  }

  file(name: string, text: string, mode = 0o644): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode });
    return path;
  }

  async sendmail(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    return this.run([this.path, ...args], options);
  }

  /** Runs any program to its end. */
  async run(
    [program = '', ...args]: readonly string[],
    { input = '', env = {} }: RunOptions = {},
  ): Promise<Run> {
    const { promise, resolve } = Promise.withResolvers<Run>();
    const settings = { cwd: this.directory, env: { ...this.env, ...env }, timeout: 60_000 };
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ code, stdout, stderr: child.pid === undefined ? `${program} cannot be run` : stderr });
    });
    child.stdin?.on('error', () => undefined); // a program may end without reading all; its exit code judges
    child.stdin?.end(input);
    return promise;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
