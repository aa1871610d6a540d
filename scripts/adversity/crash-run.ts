/**
 * Kills relays at random moments, under load, while the upstream changes its mood, and accounts for every message.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { freePorts } from '../../test/support/peers/peer.ts';
import { TestAuthority } from '../../test/support/pki.ts';
import { startRelay, type RelayProcess, type Variables } from '../../test/support/relay-process.ts';
import { FlappingUpstream, MOODS } from './flapping-upstream.ts';
import { Ledger, type Account } from './ledger.ts';
import { Random } from './random.ts';
import { Traffic } from './traffic.ts';

export interface CrashOptions {
  readonly kills: number;
  readonly relays: number;
  readonly clients: number;
  /** `off`, `file`, or a URL; `file` makes a directory for the run. */
  readonly spool: string;
  readonly seed?: number | undefined;
  readonly variables?: Variables | undefined;
  /** Called between kills, for what else can be broken. */
  readonly alsoBreak?: ((random: Random) => Promise<void>) | undefined;
}

export interface CrashResult extends Account {
  readonly seed: number;
  readonly kills: number;
  readonly messages: number;
  /** Lines of `sealpost queue` at the end. */
  readonly inSpool: number;
}

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const SETTLED_MS = 120_000;
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
  const variables: Variables = {
    SEALPOST_UPSTREAM: `smtps://localhost:${upstream.port}`,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_STATE_DIR: join(directory, 'state'),
    ...(options.spool === 'off'
      ? {}
      : { SEALPOST_SPOOL: options.spool === 'file' ? `file:${join(directory, 'spool')}` : options.spool }),
    ...options.variables,
  };
  const ports = await freePorts(options.relays);
  const relays = await Promise.all(
    ports.map(async (port) => cleanup.use(await Mortal.start(port, variables))),
  );
  const traffic = new Traffic(ledger, random);
  const stop = new AbortController();
  const clients = Array.from({ length: options.clients }, async () =>
    keepSending(traffic, ports, random, stop.signal),
  );
  const moods = changeMoods(upstream, random, stop.signal);
  for (let kill = 0; kill < options.kills; kill += 1) {
    await delay(random.between(0, 1_200));
    ledger.kill();
    await relays[random.between(0, relays.length - 1)]?.kill();
    await options.alsoBreak?.(random);
  }
  stop.abort();
  await Promise.all([...clients, moods]);
  await upstream.be('good');
  const inSpool = options.spool === 'off' ? [] : await emptied(variables);
  const account = ledger.account(new Set(inSpool));
  return {
    ...account,
    seed: random.seed,
    kills: options.kills,
    messages: traffic.sent,
    inSpool: inSpool.length,
  };
}

/** A relay that is started again whenever it was killed, on the same port. */
class Mortal implements AsyncDisposable {
  readonly #port: number;
  readonly #variables: Variables;
  #relay: RelayProcess;

  private constructor(port: number, variables: Variables, relay: RelayProcess) {
    this.#port = port;
    this.#variables = variables;
    this.#relay = relay;
  }

  static async start(port: number, variables: Variables): Promise<Mortal> {
    const own = { ...variables, SEALPOST_LISTEN: `127.0.0.1:${port}` };
    return new Mortal(port, own, await startRelay(own));
  }

  async kill(): Promise<void> {
    const { child } = this.#relay;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.#relay = await startRelay({ ...this.#variables, SEALPOST_LISTEN: `127.0.0.1:${this.#port}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay.stop();
  }
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

/** Waits until all that was acknowledged is delivered. @returns the recipients that still wait in the spool */
async function emptied(variables: Variables): Promise<readonly string[]> {
  const late = performance.now() + SETTLED_MS;
  let waiting = await waitingIn(variables);
  while (waiting.length > 0 && performance.now() < late) {
    await queue(['retry', '--all'], variables);
    await delay(1_000);
    waiting = await waitingIn(variables);
  }
  return waiting;
}

async function waitingIn(variables: Variables): Promise<readonly string[]> {
  const lines = (await queue(['list', '--json'], variables)).split('\n').filter((line) => line !== '');
  return lines.flatMap((line) =>
    [...line.matchAll(/"<(m\d+-\d+)@y\.test>","state":"waiting"/g)].map(([, one]) => one ?? ''),
  );
}

async function queue(args: readonly string[], variables: Variables): Promise<string> {
  const env = { PATH: process.env['PATH'], ...variables };
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'queue', ...args], {
    env,
    maxBuffer: QUEUE_OCTETS,
  });
  return stdout;
}
