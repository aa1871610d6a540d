/**
 * One round of one case on one system under test.
 *
 * Guarantees: the messages that the upstream counts are compared with those the client was told 250 for; a difference is
 * a failure and no figure of that round counts.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type { IdleCase, LoadCase } from './cases.ts';
import { IdleClients, runLoad, type Load, type LoadResult } from './load.ts';
import { forgetPeak, usageOf, type Usage } from './process-tree.ts';
import type { Figures } from './results.ts';
import type { SinkCount } from './sink.ts';
import type { Standing } from './stage.ts';
import type { Tools } from './tools.ts';

const PATIENCE_MS = 180_000;
/** How long messages may take from a queue to the upstream. */
const DRAIN_MS = 60_000;
/** A message too many comes late, if it comes. */
const SETTLE_MS = 50;
const PILOT_SECONDS = 0.3;
const MB = 1e6;
const GB = 1e9;
const US_PER_MS = 1e3;
const NS_PER_SECOND = 1e9;
const THOUSAND = 1_000;
const MOST_MESSAGES = 30_000;
const IDLE_SETTLE_MS = 1_500;
/** The active client beside the idle ones. */
const ACTIVE: Omit<Load, 'messages'> = {
  sessions: 1,
  octets: 4_096,
  recipients: 1,
  reuse: false,
  pipelined: false,
  pauseMs: 5,
};
const ACTIVE_MESSAGES = 100;

/** What a load has done, counted at both ends. */
export interface Run {
  readonly load: LoadResult;
  readonly sink: SinkCount;
  /** From the first connection to the last 250; for a queue, to the last message at the upstream. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly before: Usage;
  readonly after: Usage;
}

/** @throws {Error} when a message was refused, lost or delivered twice */
export async function deliver(tools: Tools, standing: Standing, load: Load): Promise<Run> {
  const { peer, program, sink, entry } = standing;
  await sink.reset();
  forgetPeak(program.processId);
  const before = usageOf(program.processId);
  const begun = Number(process.hrtime.bigint());
  const done = await runLoad(tools, entry, load, PATIENCE_MS);
  if (done.err > 0) throw new Error(`${done.err} of ${load.messages} messages were not taken`);
  await sink.wait(done.n, DRAIN_MS);
  const after = usageOf(program.processId);
  await sleep(SETTLE_MS);
  const counted = await sink.count();
  if (counted.msgs !== done.n) throw new Error(`${done.n} messages were sent and ${counted.msgs} have come`);
  const drained = (counted.last_ns - begun) / NS_PER_SECOND;
  const seconds = peer.way === 'queue' ? Math.max(done.secs, drained) : done.secs;
  return {
    load: done,
    sink: counted,
    seconds,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    before,
    after,
  };
}

/** @param seconds how long the round should take */
export async function measureLoad(
  tools: Tools,
  standing: Standing,
  { load, messages, stage }: LoadCase,
  seconds: number,
): Promise<Figures> {
  const count = messages ?? (await messagesFor(tools, standing, load, seconds));
  const run = await deliver(tools, standing, { ...load, messages: count });
  return figuresOf(run, load, stage.roundTripMs, standing.peer.way === 'none');
}

/** How many messages fill that time: two pilots tell, because the first one is mostly connecting. */
async function messagesFor(
  tools: Tools,
  standing: Standing,
  load: LoadCase['load'],
  seconds: number,
): Promise<number> {
  const fitting = async (messages: number, aim: number): Promise<number> => {
    const pilot = await deliver(tools, standing, { ...load, messages });
    const count = Math.ceil((pilot.load.n / pilot.seconds) * aim);
    return Math.min(MOST_MESSAGES, Math.max(load.sessions * 2, count));
  };
  if (isLarge(load)) return fitting(load.sessions, seconds);
  return fitting(await fitting(load.sessions * 4, PILOT_SECONDS), seconds);
}

function figuresOf(run: Run, load: LoadCase['load'], roundTripMs: number, isDirect: boolean): Figures {
  const { n } = run.load;
  const p50 = run.load.p50 / US_PER_MS;
  const octets = n * load.octets;
  const cost: Figures = {
    cpuPerThousand: (run.cpuSeconds / n) * THOUSAND,
    ...(isLarge(load) ? { cpuPerGigabyte: (run.cpuSeconds / octets) * GB } : {}),
    growth: (Math.max(run.after.peakOctets, run.after.residentOctets) - run.before.residentOctets) / MB,
    handshakes: (run.sink.handshakes / n) * THOUSAND,
    resumed: run.sink.handshakes === 0 ? 0 : run.sink.resumed / run.sink.handshakes,
  };
  return {
    messages: n,
    ...(load.pauseMs === undefined && roundTripMs === 0 ? { rate: n / run.seconds } : {}),
    ...(isLarge(load) ? { megabytes: octets / MB / run.seconds } : {}),
    p50,
    p99: run.load.p99 / US_PER_MS,
    ...(roundTripMs > 0 ? { roundTrips: p50 / roundTripMs } : {}),
    ...(isDirect ? {} : cost),
    commands: run.sink.cmds / n,
    flights: run.sink.flights / n,
  };
}

/** @throws {Error} when not all clients can be held */
export async function measureIdle(tools: Tools, standing: Standing, { clients }: IdleCase): Promise<Figures> {
  const { program, entry } = standing;
  const active = { ...ACTIVE, messages: ACTIVE_MESSAGES };
  await deliver(tools, standing, active); // warm
  const alone = await deliver(tools, standing, active);
  await sleep(IDLE_SETTLE_MS);
  const before = usageOf(program.processId);
  await using idle = await IdleClients.open(tools, entry, clients, PATIENCE_MS);
  if (idle.held < clients) throw new Error(`${idle.refused} of ${clients} clients were not held`);
  await sleep(IDLE_SETTLE_MS);
  const after = usageOf(program.processId);
  const beside = await deliver(tools, standing, active);
  return {
    idleHeld: idle.held,
    idleKilobytes: (after.residentOctets - before.residentOctets) / THOUSAND / idle.held,
    p50: beside.load.p50 / US_PER_MS,
    p99: beside.load.p99 / US_PER_MS,
    idleP50: beside.load.p50 / alone.load.p50,
  };
}

function isLarge({ octets }: LoadCase['load']): boolean {
  return octets >= MB;
}
