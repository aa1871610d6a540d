/**
 * A relay that is started again whenever it was killed, on the same port and with another name.
 *
 * Guarantees: each kill is in the ledger before it is one, by the name of that life, which the upstream hears, too; a relay
 * that ends by itself ends the run.
 */
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { startRelay, type RelayProcess, type Variables } from '../../test/support/relay-process.ts';
import type { Ledger } from './ledger.ts';

export interface RelayLife {
  readonly variables: Variables;
  readonly ledger: Ledger;
  /** The directory of a file for what it logs. */
  readonly logs: string | undefined;
}

export class MortalRelay implements AsyncDisposable {
  /** What it logged as mistakes of its own, in all its lives. */
  readonly mistakes: string[] = [];
  readonly #port: number;
  readonly #life: RelayLife;
  #lives = 0;
  #relay: RelayProcess | undefined;

  private constructor(port: number, life: RelayLife) {
    this.#port = port;
    this.#life = life;
  }

  static async start(port: number, life: RelayLife): Promise<MortalRelay> {
    const relay = new MortalRelay(port, life);
    await relay.#start();
    return relay;
  }

  async kill(): Promise<void> {
    if (this.#relay === undefined) return;
    const { child, output } = this.#relay;
    const exited = once(child, 'exit');
    if (child.exitCode !== null) throw new Error(`the relay ended by itself:\n${output}`);
    this.#life.ledger.kill(this.#name);
    child.kill('SIGKILL');
    await exited;
    this.#read(this.#relay);
    await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#relay === undefined) return;
    await this.#relay.stop();
    this.#read(this.#relay);
  }

  get #name(): string {
    return `relay-${this.#port}-${this.#lives}.example.test`;
  }

  async #start(): Promise<void> {
    this.#lives += 1;
    this.#relay = await startRelay({
      ...this.#life.variables,
      SEALPOST_LISTEN: `127.0.0.1:${this.#port}`,
      SEALPOST_HOSTNAME: this.#name,
    });
  }

  /** What the life that ended has logged. */
  #read({ log, output }: RelayProcess): void {
    const { logs } = this.#life;
    for (const line of log) if (line.event === 'internal.error') this.mistakes.push(JSON.stringify(line));
    if (logs !== undefined) appendFileSync(join(logs, `relay-${this.#port}.log`), output);
  }
}
