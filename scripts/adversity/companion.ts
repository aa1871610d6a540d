/**
 * Another process of ours, which ends with its standard input.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export class Companion implements AsyncDisposable {
  /** The line that it began with. */
  readonly first: string;
  /** The last line that it said. */
  last = '';
  /** Called with each line after the first. */
  onLine: ((line: string) => void) | undefined;
  readonly #child: ReturnType<typeof spawnPiped>;

  private constructor(child: ReturnType<typeof spawnPiped>, first: string) {
    this.#child = child;
    this.first = first;
  }

  /** @param command what is put in front, to run it elsewhere */
  static async start(
    file: URL,
    args: readonly string[],
    command: readonly string[] = [],
  ): Promise<Companion> {
    const child = spawnPiped([...command, process.execPath, fileURLToPath(file), ...args]);
    const lines = createInterface({ input: child.stdout });
    const told: readonly unknown[] = await once(lines, 'line');
    const companion = new Companion(child, String(told[0]));
    lines.on('line', (line) => {
      companion.last = line;
      companion.onLine?.(line);
    });
    return companion;
  }

  /** @returns what it said last */
  async stop(): Promise<string> {
    const closed = once(this.#child, 'close');
    this.#child.stdin.end();
    await closed;
    return this.last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
  }
}

export interface UpstreamPlace {
  readonly port: number;
  readonly caFile: string;
}

/** What good-upstream.ts says first. */
export function placeOf({ first }: Companion): UpstreamPlace {
  const [, port, caFile] = /^{"port":(\d+),"caFile":"([^"]+)"}$/.exec(first) ?? [];
  if (port === undefined || caFile === undefined) throw new Error(`the upstream did not start: ${first}`);
  return { port: Number(port), caFile };
}

function spawnPiped([command = '', ...args]: readonly string[]) {
  return spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
}
