/**
 * Kills relays at random moments, under load, while the upstream changes its mood, and accounts for every message.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { INHERITED } from '../../test/support/inherited-environment.ts';
import { freePorts } from '../../test/support/peers/peer.ts';
import { TestAuthority } from '../../test/support/pki.ts';
import type { Variables } from '../../test/support/relay-process.ts';
import { FlappingUpstream, MOODS } from './flapping-upstream.ts';
import { Ledger, type Account } from './ledger.ts';
import { MortalRelay } from './mortal-relay.ts';
import { Random } from './random.ts';
import { ShakyDatabase } from './shaky-database.ts';
import { Traffic } from './traffic.ts';

export const SPOOLS = ['off', 'file', 'postgres'] as const;
export type SpoolKind = (typeof SPOOLS)[number];

export interface CrashOptions {
  readonly kills: number;
  readonly relays: number;
  readonly clients: number;
  /** What is made for the run: nothing, a directory, or a database that is restarted now and then. */
  readonly spool: SpoolKind;
  readonly seed?: number | undefined;
  /** How long the database runs between outages, at most. */
  readonly restMs?: number | undefined;
  readonly variables?: Variables | undefined;
  /** An empty directory for what relays log. */
  readonly logs?: string | undefined;
}

export interface CrashResult extends Account {
  readonly seed: number;
  readonly kills: number;
  /** How often the database was stopped and started, and how often it crashed. */
  readonly restarts: number;
  readonly crashes: number;
  readonly messages: number;
  /** Messages in `sealpost queue` at the end. */
  readonly inSpool: number;
  /** What relays logged as mistakes of their own. */
  readonly mistakes: readonly string[];
}

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const REST_MS = 15_000;
const SETTLED_MS = 120_000;
/** Most of the time somebody waits for the claims of a relay that was killed: asking costs more than it is worth. */
const ASK_AGAIN_MS = 3_000;
const QUEUE_OCTETS = 100_000_000;

export async function crashRun(options: CrashOptions): Promise<CrashResult> {
  await using cleanup = new AsyncDisposableStack();
  const random = new Random(options.seed);
  const ledger = new Ledger();
  const authority = cleanup.adopt(new TestAuthority(), (one) => one.remove());
  const directory = cleanup.adopt(mkdtempSync(join(tmpdir(), 'sealpost-crash-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const upstream = cleanup.use(await FlappingUpstream.start(authority.issue(), ledger));
  const database = options.spool === 'postgres' ? cleanup.use(await ShakyDatabase.start(ledger)) : undefined;
  const spool = { off: undefined, file: `file:${join(directory, 'spool')}`, postgres: database?.url };
  const variables: Variables = {
    SEALPOST_UPSTREAM: `smtps://localhost:${upstream.port}`,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_STATE_DIR: join(directory, 'state'),
    SEALPOST_SPOOL: spool[options.spool],
    ...options.variables,
  };
  const { logs } = options;
  const ports = await freePorts(options.relays);
  const relays = await Promise.all(
    ports.map(async (port) => cleanup.use(await MortalRelay.start(port, { variables, ledger, logs }))),
  );
  const traffic = new Traffic(ledger, random);
  const stop = new AbortController();
  const clients = Array.from({ length: options.clients }, async () =>
    keepSending(traffic, ports, random, stop.signal),
  );
  const moods = changeMoods(upstream, random, stop.signal);
  const outages = database?.keepBreaking(random, options.restMs ?? REST_MS, stop.signal);
  for (let kill = 0; kill < options.kills; kill += 1) {
    await delay(random.between(0, 1_200));
    await relays[random.between(0, relays.length - 1)]?.kill();
  }
  stop.abort();
  await Promise.all([...clients, moods, outages]);
  await upstream.be('good');
  const inSpool = options.spool === 'off' ? [] : await emptied(variables);
  return {
    ...ledger.account(new Set(waitingRecipients(inSpool))),
    seed: random.seed,
    kills: options.kills,
    restarts: database?.restarts ?? 0,
    crashes: database?.crashes ?? 0,
    messages: traffic.sent,
    inSpool: inSpool.length,
    mistakes: relays.flatMap(({ mistakes }) => mistakes),
  };
}

async function keepSending(
  traffic: Traffic,
  ports: readonly number[],
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const told = await traffic.send(ports[random.between(0, ports.length - 1)] ?? 0);
    if (told === undefined)
      await delay(20); // nobody listens there just now
    else if (told !== 'acknowledged') await delay(random.between(0, 50));
  }
}

async function changeMoods(upstream: FlappingUpstream, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await upstream.be(random.pick(MOODS));
    await delay(random.between(50, 700));
  }
}

/** Waits until all is delivered, reports too. @returns the messages that are left, a line of JSON each */
async function emptied(variables: Variables): Promise<readonly string[]> {
  const late = performance.now() + SETTLED_MS;
  let waiting = await queued(variables);
  while (waiting.length > 0 && performance.now() < late) {
    await queue(['retry', '--all'], variables);
    await delay(ASK_AGAIN_MS);
    waiting = await queued(variables);
  }
  return waiting;
}

async function queued(variables: Variables): Promise<readonly string[]> {
  return (await queue(['list', '--json'], variables)).split('\n').filter((line) => line !== '');
}

/** Of messages that are no reports. */
function waitingRecipients(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) =>
    [...line.matchAll(/"<(m\d+-\d+)@y\.test>","state":"waiting"/g)].map(([, one]) => one ?? ''),
  );
}

async function queue(args: readonly string[], variables: Variables): Promise<string> {
  const env = { ...INHERITED, ...variables };
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'queue', ...args], {
    env,
    maxBuffer: QUEUE_OCTETS,
  });
  return stdout;
}
