/**
 * Mixed traffic for a long time: honest clients, such as vanish, an upstream that restarts; and what the relay holds.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { TestAuthority } from '../../test/support/pki.ts';
import { startRelay, type RelayProcess } from '../../test/support/relay-process.ts';
import { FlappingUpstream } from './flapping-upstream.ts';
import { trendOf, type Sample } from './flatness.ts';
import { Ledger, type Account } from './ledger.ts';
import { Random } from './random.ts';
import { Traffic } from './traffic.ts';

export interface SoakOptions {
  readonly seconds: number;
  readonly clients: number;
  readonly seed?: number | undefined;
  readonly spool: boolean;
  /** Called with each set of samples. */
  readonly say?: ((line: string) => void) | undefined;
}

export interface SoakResult extends Account {
  readonly seed: number;
  readonly messages: number;
  readonly restarts: number;
  /** What is wrong, in words; empty when all is flat. */
  readonly faults: readonly string[];
  /** Figures for people. */
  readonly summary: readonly string[];
}

/** What is left lying about is collected soon, so that a short run shows a leak. */
const SMALL_YOUNG_GENERATION = '--max-semi-space-size=4';

/** How much each figure may rise in the second half. */
const ALLOWED: Readonly<Record<string, (level: number) => number>> = {
  /** A tenth, and what the collector leaves lying about in a short run. */
  residentMb: (level) => 20 + level / 10,
  /** Connections of clients and to the upstream come and go. */
  descriptors: (level) => 5 + level / 5,
  hops: (level) => 3 + level / 2,
};
/** Short, so that hops that nobody uses are gone when the traffic has ended. */
const IDLE_SECONDS = 2;
const GONE_MS = 15_000;
const SPOOLED_MS = 120_000;
const SAMPLES = 60;
const RESTARTS = 8;

export async function soakRun({ seconds, clients, seed, spool, say }: SoakOptions): Promise<SoakResult> {
  await using cleanup = new AsyncDisposableStack();
  const random = new Random(seed);
  const ledger = new Ledger();
  const authority = cleanup.adopt(new TestAuthority(), (one) => one.remove());
  const directory = cleanup.adopt(mkdtempSync(join(tmpdir(), 'sealpost-soak-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const upstream = cleanup.use(await FlappingUpstream.start(authority.issue(), ledger));
  const relay = cleanup.use(
    await startRelay({
      SEALPOST_UPSTREAM: `smtps://localhost:${upstream.port}`,
      SEALPOST_TLS_CA_FILE: authority.caFile,
      SEALPOST_STATE_DIR: join(directory, 'state'),
      SEALPOST_SPOOL: spool ? `file:${join(directory, 'spool')}` : undefined,
      SEALPOST_POOL_IDLE_TIMEOUT: String(IDLE_SECONDS),
      SEALPOST_LOG_LEVEL: 'debug',
      NODE_OPTIONS: SMALL_YOUNG_GENERATION,
    }),
  );
  const gauge = new Gauge(relay);
  const atRest = gauge.descriptors;
  const traffic = new Traffic(ledger, random);
  const stop = new AbortController();
  const everybody = [
    ...Array.from({ length: clients }, async () =>
      repeat(async () => traffic.send(relay.port()), 50, random, stop.signal),
    ),
    repeat(async () => traffic.vanish(relay.port()), 200, random, stop.signal),
  ];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    await delay((seconds * 1_000) / SAMPLES);
    if (sample % Math.ceil(SAMPLES / RESTARTS) === 0) await upstream.restart();
    const line = await gauge.take();
    say?.(line);
  }
  stop.abort();
  await Promise.all(everybody);
  const left = await descriptorsAfter(gauge, atRest);
  const faults = [
    ...gauge.faults(),
    ...(left > atRest ? [`${left - atRest} descriptors are still open after the traffic`] : []),
    ...(gauge.hops > 0 ? [`${gauge.hops} hops are still open after the traffic`] : []),
    ...(gauge.mistakes > 0 ? [`${gauge.mistakes} internal errors`] : []),
  ];
  if (spool) await delivered(ledger);
  const account = ledger.account();
  return {
    ...account,
    seed: random.seed,
    messages: traffic.sent,
    restarts: RESTARTS,
    faults,
    summary: gauge.summary(),
  };
}

/** What the relay holds: seen from outside, and told by its own log. */
class Gauge {
  readonly #relay: RelayProcess;
  readonly #began = performance.now();
  readonly #samples: Record<string, Sample[]> = { residentMb: [], descriptors: [], hops: [] };
  #lines: number;
  hops = 0;
  mistakes = 0;

  constructor(relay: RelayProcess) {
    this.#relay = relay;
    this.#lines = relay.log.length;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.#relay.child.pid}/fd`).length;
  }

  async take(): Promise<string> {
    this.readLog();
    const atMs = performance.now() - this.#began;
    const now = {
      residentMb: (await this.#relay.residentOctets()) / 1e6,
      descriptors: this.descriptors,
      hops: this.hops,
    };
    for (const [name, value] of Object.entries(now)) this.#samples[name]?.push({ atMs, value });
    return `${Math.round(atMs / 1_000)} s: ${Object.entries(now)
      .map(([name, value]) => `${name} ${Math.round(value)}`)
      .join(', ')}`;
  }

  /** Counts and forgets, so that this process does not grow either. */
  readLog(): void {
    for (const { event } of this.#relay.log.slice(this.#lines)) {
      if (event === 'hop.secured') this.hops += 1;
      if (event === 'hop.closed') this.hops -= 1;
      if (event === 'internal.error') this.mistakes += 1;
    }
    this.#relay.log.splice(this.#lines);
    this.#relay.output = '';
  }

  faults(): readonly string[] {
    return Object.entries(this.#samples).flatMap(([name, samples]) => {
      const { rise, level } = trendOf(samples);
      const allowed = ALLOWED[name]?.(level) ?? 0;
      return rise <= allowed
        ? []
        : [`${name} rises by ${rise.toFixed(1)} in the second half, from a level of ${level.toFixed(1)}`];
    });
  }

  summary(): readonly string[] {
    return Object.entries(this.#samples).map(([name, samples]) => {
      const { rise, level } = trendOf(samples);
      const peak = Math.max(...samples.map(({ value }) => value));
      return `${name}: ${level.toFixed(1)} on average in the second half, rising by ${rise.toFixed(1)}, ${peak.toFixed(1)} at most`;
    });
  }
}

/** What the spool took comes within the first steps of its back-off. */
async function delivered(ledger: Ledger): Promise<void> {
  const late = performance.now() + SPOOLED_MS;
  while (ledger.outstanding.length > 0 && performance.now() < late) await delay(100);
}

/** Waits until no more is open than before the traffic, as long as idle hops may take to go. */
async function descriptorsAfter(gauge: Gauge, atRest: number): Promise<number> {
  const late = performance.now() + GONE_MS;
  while (gauge.descriptors > atRest && performance.now() < late) await delay(100);
  gauge.readLog();
  return gauge.descriptors;
}

/** Again and again, with a pause of so many milliseconds at most. */
async function repeat(
  act: () => Promise<unknown>,
  mostMs: number,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await act();
    await delay(random.between(0, mostMs));
  }
}
