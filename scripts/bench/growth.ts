/**
 * Whether Sealpost's costs grow: over the messages of one process's life, and over the clients at once.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { lineChart } from './line-chart.ts';
import { deliver, type Run } from './measure.ts';
import type { Options } from './options.ts';
import { usageOf } from './process-tree.ts';
import { describeRun, inProjectFormat, row } from './report.ts';
import type { PeerVersion } from './results.ts';
import { shortNumber } from './rounds.ts';
import { Stage, type PreparedPeer, type Standing, type Workshop } from './stage.ts';

const LOAD = { sessions: 10, octets: 4_096, recipients: 1, reuse: false, pipelined: false };
const FIRST = 100;
const LAST = 100_000;
const LAST_LONG = 1_000_000;
/** The log is emptied after as many. */
const BATCH = 50_000;
const SESSIONS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const MESSAGES_A_SESSION = 40;
const LEAST_MESSAGES = 3_000;
const MB = 1e6;
const MS = 1e3;

/** After so many messages, or with so many sessions. */
interface Point {
  readonly x: number;
  readonly cpuMs: number;
  readonly residentMegabytes: number;
  readonly p50: number;
  readonly p99: number;
  readonly rate: number;
}

/** @returns the exit code */
export async function runGrowth(
  { isLong, outputDirectory }: Options,
  workshop: Workshop,
  peers: readonly PreparedPeer[],
  versions: readonly PeerVersion[],
  say: (line: string) => void,
): Promise<number> {
  const began = new Date();
  const [own] = peers;
  if (own === undefined) return 1;
  await using stage = await Stage.open({ name: 'growth', chunking: true, roundTripMs: 0 }, workshop);
  const show = (what: string) => (point: Point) =>
    say(`${shortNumber(point.x)} ${what}: ${JSON.stringify(point)}`);
  const overMessages = await growth(
    workshop,
    await stage.start(own),
    isLong ? LAST_LONG : LAST,
    show('messages'),
  );
  const overSessions = await knee(workshop, await stage.start(own), show('sessions'));
  const run = describeRun(began, new Date(), versions);
  write(outputDirectory, run, overMessages, overSessions);
  return 0;
}

/** One process, from its first message on: each point tells of the messages since the point before. */
async function growth(
  { tools }: Workshop,
  standing: Standing,
  last: number,
  show: (point: Point) => void,
): Promise<readonly Point[]> {
  const points: Point[] = [];
  let sent = 0;
  for (let until = FIRST; until <= last; until *= 10) {
    const runs: Run[] = [];
    while (sent < until) {
      const messages = Math.min(BATCH, until - sent);
      runs.push(await deliver(tools, standing, { ...LOAD, messages }));
      standing.program.dropOutput();
      sent += messages;
    }
    points.push(pointOf(until, runs, standing));
    show(lastOf(points));
  }
  return points;
}

/** More sessions at once, up to where more of them only wait longer. */
async function knee(
  { tools }: Workshop,
  standing: Standing,
  show: (point: Point) => void,
): Promise<readonly Point[]> {
  await deliver(tools, standing, { ...LOAD, messages: LEAST_MESSAGES });
  const points: Point[] = [];
  for (const sessions of SESSIONS) {
    const messages = Math.max(LEAST_MESSAGES, sessions * MESSAGES_A_SESSION);
    points.push(
      pointOf(sessions, [await deliver(tools, standing, { ...LOAD, sessions, messages })], standing),
    );
    standing.program.dropOutput();
    show(lastOf(points));
  }
  return points;
}

/** Latencies are those of the last run; the rest is of all. */
function pointOf(x: number, runs: readonly Run[], { program }: Standing): Point {
  const total = (of: (run: Run) => number): number => runs.reduce((sum, run) => sum + of(run), 0);
  const messages = total(({ load }) => load.n);
  const { load } = lastOf(runs);
  return {
    x,
    cpuMs: (total(({ cpuSeconds }) => cpuSeconds) / messages) * MS,
    residentMegabytes: usageOf(program.processId).residentOctets / MB,
    p50: load.p50 / MS,
    p99: load.p99 / MS,
    rate: messages / total(({ seconds }) => seconds),
  };
}

function write(directory: string, run: string, messages: readonly Point[], sessions: readonly Point[]): void {
  mkdirSync(directory, { recursive: true });
  const at = (name: string): string => join(directory, name);
  const line = (points: readonly Point[], label: string, of: (point: Point) => number) => ({
    label,
    points: points.map((point) => ({ x: point.x, y: of(point) })),
  });
  const chart = lineChart(
    'Sealpost over the messages of its life: 4 KiB, new connections, 10 sessions',
    'after',
    [
      line(messages, 'CPU ms for a message', ({ cpuMs }) => cpuMs),
      line(messages, 'resident memory, MB', ({ residentMegabytes }) => residentMegabytes),
      line(messages, 'median latency, ms', ({ p50 }) => p50),
    ],
  );
  const kneeChart = lineChart('Sealpost over the sessions at once: 4 KiB, new connections', 'sessions', [
    line(sessions, 'messages a second', ({ rate }) => rate),
    line(sessions, 'median latency, ms', ({ p50 }) => p50),
    line(sessions, 'CPU ms for a message', ({ cpuMs }) => cpuMs),
  ]);
  writeFileSync(at('growth.svg'), chart);
  writeFileSync(at('knee.svg'), kneeChart);
  writeFileSync(at('growth.json'), JSON.stringify({ messages, sessions }));
  writeFileSync(at('growth.md'), document(run, messages, sessions));
  inProjectFormat(at('growth.json'), at('growth.md'));
}

function document(run: string, messages: readonly Point[], sessions: readonly Point[]): string {
  return `# Growth

<!-- Written by scripts/benchmark --growth. How to read and repeat it: README.md -->

${run}
## Over the messages of one process's life

Each row tells of the messages since the row before.

${table('messages', messages)}

![Cost, memory and latency over the messages](growth.svg)

## Over the sessions at once

${table('sessions', sessions)}

![Rate, latency and cost over the sessions](knee.svg)
`;
}

function table(what: string, points: readonly Point[]): string {
  const head = ['CPU ms a message', 'resident MB', 'p50 ms', 'p99 ms', 'messages a second'];
  const rows = points.map(({ x, cpuMs, residentMegabytes, p50, p99, rate }) =>
    row(...[x, cpuMs, residentMegabytes, p50, p99, rate].map(shortNumber)),
  );
  return [row(what, ...head), row('---', ...head.map(() => '---')), ...rows].join('\n');
}

function lastOf<Item>(items: readonly Item[]): Item {
  const last = items.at(-1);
  if (last === undefined) throw new RangeError('nothing was measured');
  return last;
}
