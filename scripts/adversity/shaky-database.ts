/**
 * A database that is stopped and crashes now and then, while relays use it.
 *
 * Guarantees: each outage is in the ledger, from its first moment to the first moment after.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { PASSWORD } from '../../test/support/peers/peer.ts';
import { PostgresServer } from '../../test/support/peers/postgres-server.ts';
import { CLAIM_MS } from '../../src/spool/spool-store.ts';
import type { Ledger } from './ledger.ts';
import type { Random } from './random.ts';

/** One outage of so many is longer than a claim lasts. */
const LONG_ONE_IN = 10;

export class ShakyDatabase implements AsyncDisposable {
  readonly url: string;
  restarts = 0;
  crashes = 0;
  readonly #server: PostgresServer;
  readonly #ledger: Ledger;

  private constructor(server: PostgresServer, ledger: Ledger) {
    this.#server = server;
    this.#ledger = ledger;
    this.url = server.url(server.newDatabase());
  }

  static async start(ledger: Ledger): Promise<ShakyDatabase> {
    return new ShakyDatabase(await PostgresServer.start(undefined, PASSWORD), ledger);
  }

  /** Stopped and crashed in turn, until the signal aborts; then it is there. @param restMs between outages, at most */
  async keepBreaking(random: Random, restMs: number, signal: AbortSignal): Promise<void> {
    for (let outage = 1; !signal.aborted; outage += 1) {
      await delay(random.between(restMs / 10, restMs), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const isLong = outage % LONG_ONE_IN === 0;
      await this.#break(outage % 2 === 0, isLong ? CLAIM_MS + 10_000 : random.between(0, 3_000));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #break(isCrash: boolean, ms: number): Promise<void> {
    const over = this.#ledger.outage();
    if (isCrash) await this.#server.crash();
    else await this.#server.stop();
    await delay(ms);
    await this.#server.run();
    over();
    if (isCrash) this.crashes += 1;
    else this.restarts += 1;
  }
}
