/**
 * The client's side: messages over plain SMTP, and clients that only hold a connection.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { ExitGuard } from './exit-guard.ts';
import { parseNumbers } from './numbers.ts';
import { inNamespace } from './program.ts';
import type { Tools } from './tools.ts';

export interface Load {
  readonly sessions: number;
  readonly messages: number;
  readonly octets: number;
  readonly recipients: number;
  /** Sends all messages of a session over one connection, instead of a connection for each. */
  readonly reuse: boolean;
  /** Sends MAIL, RCPT and DATA in one flight. */
  readonly pipelined: boolean;
  /** A pause after each message. */
  readonly pauseMs?: number | undefined;
}

/** Where the client connects. */
export interface Entry {
  readonly address: string;
  readonly port: number;
  readonly namespace?: string | undefined;
}

const FIGURES = ['n', 'err', 'secs', 'p50', 'p90', 'p99', 'max', 'min', 'mean'] as const;

/** `n` messages got 250, `err` did not; the times are microseconds from connecting to the final 250. */
export type LoadResult = Readonly<Record<(typeof FIGURES)[number], number>>;

/** @param patienceMs after which the load is given up */
export async function runLoad(
  tools: Tools,
  entry: Entry,
  load: Load,
  patienceMs: number,
): Promise<LoadResult> {
  const child = startClient(tools, entry, [
    '-c',
    load.sessions,
    '-m',
    load.messages,
    '-l',
    load.octets,
    '-r',
    load.recipients,
    ...(load.reuse ? ['-k'] : []),
    ...(load.pipelined ? ['-P'] : []),
    ...(load.pauseMs === undefined ? [] : ['-i', load.pauseMs]),
  ]);
  const giveUp = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  clearTimeout(giveUp);
  if (output === '') throw new Error(`the load was not done within ${Math.round(patienceMs / 1000)} s`);
  return parseNumbers(output, FIGURES);
}

/** Clients that said EHLO and then nothing. */
export class IdleClients implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly held: number;
  readonly refused: number;

  private constructor(child: ChildProcess, held: number, refused: number) {
    this.#child = child;
    this.held = held;
    this.refused = refused;
  }

  static async open(tools: Tools, entry: Entry, count: number, patienceMs: number): Promise<IdleClients> {
    const child = startClient(tools, entry, ['-I', count]);
    const giveUp = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    let ready = '';
    if (child.stdout !== null) for await (ready of createInterface({ input: child.stdout })) break;
    clearTimeout(giveUp);
    const [, held = '0', refused = String(count)] = /^READY (\d+) (\d+)$/.exec(ready) ?? [];
    return new IdleClients(child, Number(held), Number(refused));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exited;
  }
}

function startClient(tools: Tools, entry: Entry, options: readonly (string | number)[]): ChildProcess {
  const place = ['-h', entry.address, '-p', entry.port];
  const [command = '', ...args] = inNamespace(entry.namespace, [
    tools.load,
    ...[...place, ...options].map(String),
  ]);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const guard = new ExitGuard('kill -s KILL "$1"', String(child.pid));
  child.once('exit', () => guard.cancel());
  return child;
}
