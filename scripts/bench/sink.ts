/**
 * The upstream of every system under test: takes everything, keeps nothing, counts.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

import { freePorts, type WorkDirectory } from '../../test/support/peers/peer.ts';
import { parseNumbers } from './numbers.ts';
import { Program } from './program.ts';
import type { Tools } from './tools.ts';
import type { Upstream } from './upstream.ts';

const COUNTERS = [
  'conns',
  'handshakes',
  'resumed',
  'msgs',
  'bytes',
  'cmds',
  'flights',
  'rset',
  'aborted_in_data',
  'last_ns',
] as const;

/** Since the last reset; `last_ns` is when the last message was complete, on the clock of `process.hrtime`. */
export type SinkCount = Readonly<Record<(typeof COUNTERS)[number], number>>;

export interface SinkOptions {
  readonly tools: Tools;
  readonly work: WorkDirectory;
  readonly name: string;
  readonly address: string;
  readonly serverName: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Offers CHUNKING (RFC 3030). */
  readonly chunking: boolean;
  readonly namespace?: string | undefined;
}

export class Sink implements AsyncDisposable {
  readonly upstream: Upstream;
  readonly #program: Program;
  readonly #socket: string;

  private constructor(program: Program, upstream: Upstream, socket: string) {
    this.#program = program;
    this.upstream = upstream;
    this.#socket = socket;
  }

  static async start(options: SinkOptions): Promise<Sink> {
    const { address, serverName, caFile, work, name } = options;
    const [port = 0, starttlsPort = 0, plainPort = 0] = await freePorts(3);
    const socket = work.at(`sink-${name}.socket`);
    const places = ['-b', address, '-P', port, '-p', starttlsPort, '-x', plainPort, '-C', socket];
    const identity = ['-c', options.certFile, '-k', options.keyFile];
    const args = [...places, ...identity, ...(options.chunking ? [] : ['-K'])].map(String);
    const { namespace } = options;
    const logFile = work.at(`sink-${name}.log`);
    const program = await Program.start({
      command: options.tools.sink,
      args,
      logFile,
      namespace,
      port: plainPort, // the last one it opens
    });
    return new Sink(program, { address, serverName, caFile, port, starttlsPort, plainPort }, socket);
  }

  /** Lets all counters begin anew. */
  async reset(): Promise<void> {
    await this.#ask('reset');
  }

  async count(): Promise<SinkCount> {
    return this.#ask('stats');
  }

  /** Waits until that many messages have come since the reset, or the time is over. */
  async wait(messages: number, milliseconds: number): Promise<SinkCount> {
    return this.#ask(`wait ${messages} ${Math.round(milliseconds)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  async #ask(question: string): Promise<SinkCount> {
    const socket = connect(this.#socket);
    socket.write(`${question}\n`);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    await once(socket, 'close');
    return parseNumbers(answer, COUNTERS);
  }
}
