/**
 * The tools in C, compiled anew for each run: the sink, the load and the delay line.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { WorkDirectory } from '../../test/support/peers/peer.ts';

export interface Tools {
  readonly sink: string;
  readonly load: string;
  readonly delay: string;
}

export function compileTools(work: WorkDirectory): Tools {
  return {
    sink: compile(work, 'tlssink', ['-lssl', '-lcrypto', '-lpthread']),
    load: compile(work, 'smtpload', ['-lpthread', '-lm']),
    delay: compile(work, 'tundelay', []),
  };
}

function compile(work: WorkDirectory, name: string, libraries: readonly string[]): string {
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const program = work.at(name);
  execFileSync('gcc', ['-O2', '-o', program, source, ...libraries], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return program;
}
