/**
 * A relay that is started again whenever it was killed, on the same port and with the same name.
 *
 * Guarantees: each kill is in the ledger before it is one; a relay that ends by itself ends the run.
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
  readonly #variables: Variables;
  readonly #name: string;
  readonly #ledger: Ledger;
  readonly #logs: string | undefined;
  #relay: RelayProcess;

  private constructor(name: string, { variables, ledger, logs }: RelayLife, relay: RelayProcess) {
    this.#name = name;
    this.#variables = variables;
    this.#ledger = ledger;
    this.#logs = logs;
    this.#relay = relay;
  }

  static async start(port: number, life: RelayLife): Promise<MortalRelay> {
    const name = `relay-${port}.example.test`;
    const variables = { ...life.variables, SEALPOST_LISTEN: `127.0.0.1:${port}`, SEALPOST_HOSTNAME: name };
    return new MortalRelay(name, { ...life, variables }, await startRelay(variables));
  }

  async kill(): Promise<void> {
    const { child } = this.#relay;
    const exited = once(child, 'exit');
    if (child.exitCode !== null) throw new Error(`the relay ended by itself:\n${this.#relay.output}`);
    this.#ledger.kill(this.#name);
    child.kill('SIGKILL');
    await exited;
    this.#read();
    this.#relay = await startRelay(this.#variables);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay.stop();
    this.#read();
  }

  /** What the life that ended has logged. */
  #read(): void {
    for (const line of this.#relay.log)
      if (line.event === 'internal.error') this.mistakes.push(JSON.stringify(line));
    if (this.#logs !== undefined) appendFileSync(join(this.#logs, `${this.#name}.log`), this.#relay.output);
  }
}
