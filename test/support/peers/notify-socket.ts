/**
 * A datagram socket such as systemd's, at which services tell how they are. Python listens, because Node cannot.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Descriptors that come along (BARRIER=1) are dropped by `recv`, which is how systemd says that it has read. */
const RECEIVER = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print('[]', flush=True)
while True:
    print(json.dumps(receiver.recv(4096).decode().split()), flush=True)
`;

export class NotifySocket {
  readonly path: string;
  /** What was said, without the text of STATUS. */
  readonly messages: string[] = [];
  readonly #directory: string;
  readonly #receiver: ChildProcess;
  readonly #signal: AbortSignal;
  #wake: () => void = () => undefined;

  private constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake());
    this.#directory = mkdtempSync(join(tmpdir(), 'sealpost-notify-'));
    this.path = join(this.#directory, 'notify');
    this.#receiver = spawn('python3', ['-c', RECEIVER, this.path], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** @param signal ends all waiting: that of the test, when its time is up */
  static async open(signal: AbortSignal): Promise<NotifySocket> {
    const opened = new NotifySocket(signal);
    const { stdout } = opened.#receiver;
    if (stdout === null) throw new Error('started without a pipe');
    const lines = createInterface({ input: stdout });
    await once(lines, 'line');
    lines.on('line', (line) => opened.#take(line));
    return opened;
  }

  /** Waits for a message with that beginning. @returns it, and forgets it and those before it */
  async heard(beginning: string): Promise<string> {
    for (;;) {
      const at = this.messages.findIndex((message) => message.startsWith(beginning));
      const [found] = this.messages.splice(0, at + 1).slice(-1);
      if (found !== undefined) return found;
      this.#signal.throwIfAborted();
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #take(line: string): void {
    const words: unknown = JSON.parse(line);
    if (!Array.isArray(words) || words[0] === 'BARRIER=1') return;
    this.messages.push(words.join(' '));
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#receiver, 'exit');
    this.#receiver.kill();
    await exited;
    rmSync(this.#directory, { recursive: true });
  }
}
