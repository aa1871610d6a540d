/**
 * A relay in a process of its own, started as a user starts it: `sealpost serve` with variables and nothing else.
 *
 * Guarantees: its environment holds only what is given; it is gone when `stop` resolves, and with this process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** One event of the relay's log, by its own names. */
export type LogLine = Readonly<Record<string, unknown>>;

const STOP_MS = 3_000;

/** The relay ended by itself; the message holds its last words. */
export class RelayEnded extends Error {
  override readonly name = 'RelayEnded';
}

export class RelayChild {
  readonly #child: ChildProcess;
  readonly #log: LogLine[] = [];
  /** What is not log: shown when the relay does not start. */
  #errors = '';
  /** Settled when it has ended and all it wrote was read. */
  readonly #gone: Promise<void>;
  #isGone = false;
  #changed: (() => void)[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the relay was started without pipes');
    createInterface({ input: stdout }).on('line', (line) => this.#take(line));
    stderr.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    this.#gone = new Promise((resolve) => {
      const onGone = (): void => {
        this.#isGone = true;
        process.removeListener('exit', this.#killNow);
        resolve();
        this.#wake();
      };
      child.once('close', onGone).on('error', (error) => {
        this.#errors += error.message;
        if (child.pid === undefined) onGone();
      });
    });
    process.once('exit', this.#killNow);
  }

  /**
   * Starts a relay and waits until it listens.
   *
   * @param cli path of this package's command line program
   * @param signal ends it at once
   */
  static async start(
    cli: string,
    variables: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<RelayChild> {
    const child = spawn(process.execPath, [cli, 'serve'], {
      env: { SEALPOST_LISTEN: '127.0.0.1:0', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    const relay = new RelayChild(child);
    try {
      await relay.event('listener.started');
    } catch (error) {
      await relay.stop();
      throw error;
    }
    return relay;
  }

  /** Where it listens. */
  async port(): Promise<number> {
    const { port } = await this.event('listener.started');
    if (typeof port !== 'number') throw new TypeError('listener.started has no port');
    return port;
  }

  /** The first event of that name, past or to come. */
  async event(name: string): Promise<LogLine> {
    for (;;) {
      const found = this.#log.find((line) => line['event'] === name);
      if (found !== undefined) return found;
      if (this.#isGone) throw new RelayEnded(`the relay ended before ${name}: ${this.#lastWords()}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** Ends it and gives everything it logged. */
  async stop(): Promise<readonly LogLine[]> {
    if (!this.#isGone) {
      this.#child.kill('SIGTERM');
      const timer = setTimeout(this.#killNow, STOP_MS);
      await this.#gone;
      clearTimeout(timer);
    }
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  readonly #killNow = (): void => {
    this.#child.kill('SIGKILL');
  };

  #lastWords(): string {
    const text = this.#errors.trim();
    return text === '' ? JSON.stringify(this.#log.at(-1) ?? 'no output') : text;
  }

  #take(text: string): void {
    if (!text.startsWith('{')) {
      this.#errors += `${text}\n`;
      return;
    }
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null)
      this.#log.push(Object.fromEntries(Object.entries(value)));
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
}
