/**
 * A relay under test: the real program in a process of its own, known only by its variables, its ports and its log.
 *
 * Guarantees: it starts with no environment but the one given and INHERITED; it is ready when `startRelay` resolves.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { INHERITED } from './inherited-environment.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

/** Variables by their full names; `undefined` leaves one out. */
export type Variables = Readonly<Record<string, string | undefined>>;

export class RelayProcess {
  readonly child: ChildProcess;
  readonly log: LogLine[] = [];
  /** Standard output and standard error as they came: where a canary must not be. */
  output = '';
  #waiting: { readonly matches: (line: LogLine) => boolean; readonly found: (line: LogLine) => void }[] = [];

  constructor(child: ChildProcess) {
    this.child = child;
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the relay was started without pipes');
    createInterface({ input: stdout }).on('line', (line) => this.#take(line));
    stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  /** Port of the n-th listener, in the order of `listener.started`. */
  port(index = 0): number {
    const started = this.log.filter((line) => line.event === 'listener.started');
    const port = started[index]?.['port'];
    if (typeof port !== 'number') throw new Error(`listener ${index} has not started:\n${this.output}`);
    return port;
  }

  /** The first event of that name that matches, past or to come. */
  async event(name: string, matches: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    const wanted = (line: LogLine): boolean => line.event === name && matches(line);
    const past = this.log.find(wanted);
    if (past !== undefined) return past;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ matches: wanted, found: resolve });
      this.child.once('exit', () => reject(new Error(`the relay ended before ${name}:\n${this.output}`)));
    });
  }

  /** Resident set size now, octets (Linux). */
  async residentOctets(): Promise<number> {
    const { readFile } = await import('node:fs/promises');
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** Ends the process with SIGTERM and resolves to its exit code. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #take(text: string): void {
    this.output += `${text}\n`;
    if (!text.startsWith('{"')) return; // not one of the log's, which stand on one line each
    const line = asLogLine(JSON.parse(text));
    this.log.push(line);
    for (const waiting of this.#waiting.filter((one) => one.matches(line))) waiting.found(line);
    this.#waiting = this.#waiting.filter((one) => !one.matches(line));
  }
}

/** Runs `sealpost` with any arguments; the caller waits for what it wants. */
export function runSealpost(args: readonly string[], variables: Variables = {}): RelayProcess {
  const env: Record<string, string> = { ...INHERITED };
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) env[name] = value;
  return new RelayProcess(
    spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

/** Starts `sealpost serve` on a free port of loopback and waits until it listens. */
export async function startRelay(variables: Variables): Promise<RelayProcess> {
  const relay = runSealpost(['serve'], {
    SEALPOST_LISTEN: '127.0.0.1:0',
    SEALPOST_HOSTNAME: 'relay.example.test',
    ...variables,
  });
  await relay.event('listener.started');
  return relay;
}

function asLogLine(value: unknown): LogLine {
  if (typeof value !== 'object' || value === null) throw new TypeError('a log line is not an object');
  const { event, level, ...fields }: Record<string, unknown> = Object.fromEntries(Object.entries(value));
  if (typeof event !== 'string' || typeof level !== 'string')
    throw new TypeError('a log line lacks event or level');
  return { ...fields, event, level };
}
