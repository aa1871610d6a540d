/**
 * A port of loopback that answers no SYN, as behind a firewall that drops: a listener that accepts nobody, its queue full.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const LISTENER = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
`;

/** Who is not connected by then waits in vain. */
const CONNECTED_MS = 400;

export class SwallowingPort implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #fillers: Socket[] = [];

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(): Promise<SwallowingPort> {
    const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
    const told: readonly unknown[] = await once(child.stdout, 'data');
    const swallowing = new SwallowingPort(Number(String(told[0])), child);
    child.kill('SIGSTOP'); // from here on only the kernel answers
    while (await swallowing.#fill());
    return swallowing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    for (const filler of this.#fillers) filler.destroy();
    await exited;
  }

  /** @returns whether there was room for one more */
  async #fill(): Promise<boolean> {
    const socket = connect(this.port, '127.0.0.1').on('error', () => undefined);
    this.#fillers.push(socket);
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECTED_MS) });
      return true;
    } catch {
      return false;
    }
  }
}
