/**
 * What is measured: each case is a name, a stage and a load.
 */
import type { Load } from './load.ts';

export interface StageOptions {
  readonly name: string;
  /** The upstream offers CHUNKING (RFC 3030). */
  readonly chunking: boolean;
  /** Round-trip time to the upstream; 0 is loopback. */
  readonly roundTripMs: number;
}

export interface LoadCase {
  readonly kind: 'load';
  readonly name: string;
  readonly title: string;
  readonly stage: StageOptions;
  readonly load: Omit<Load, 'messages'>;
  /** A fixed number of messages; without one as many as fit the time of a round. */
  readonly messages?: number;
  /** Fewer than the run's, where numbers hardly vary. */
  readonly rounds?: number;
}

export interface IdleCase {
  readonly kind: 'idle';
  readonly name: string;
  readonly title: string;
  readonly stage: StageOptions;
  readonly clients: number;
  readonly rounds: number;
}

export type Case = LoadCase | IdleCase;

const LOCAL: StageOptions = { name: 'local', chunking: true, roundTripMs: 0 };
const DISTANT: StageOptions = { name: 'distant', chunking: true, roundTripMs: 40 };
const DISTANT_DATA: StageOptions = { name: 'distant-data', chunking: false, roundTripMs: 40 };

const SMALL_OCTETS = 4_096;
const LARGE_OCTETS = 25 * 1024 * 1024;
const PAUSE_MS = 10;

type Manner = 'new' | 'reused';

export const CASES: readonly Case[] = [
  ...[1, 10, 50].map((sessions) => small('new', sessions)),
  ...[1, 10, 50].map((sessions) => small('reused', sessions)),
  small('new', 10, { pipelined: true }),
  small('reused', 10, { pipelined: true }),
  small('new', 10, { recipients: 10 }),
  small('reused', 10, { recipients: 10 }),
  small('new', 10, { recipients: 10, pipelined: true }),
  small('reused', 10, { recipients: 10, pipelined: true }),
  large(1),
  large(4),
  latency('new'),
  latency('reused'),
  distant('rtt-new', DISTANT, 'new'),
  distant('rtt-reused', DISTANT, 'reused'),
  distant('rtt-r10', DISTANT, 'new', { recipients: 10 }),
  distant('rtt-r10-p', DISTANT, 'new', { recipients: 10, pipelined: true }),
  distant('rtt-data-new', DISTANT_DATA, 'new'),
  distant('rtt-data-r10-p', DISTANT_DATA, 'new', { recipients: 10, pipelined: true }),
  idle(1_000),
  idle(10_000),
];

interface Manners {
  readonly recipients?: number;
  readonly pipelined?: boolean;
}

/** `new-10`, `reused-10-r10-p`: the manner, the sessions, the recipients if there are several, `p` for pipelined. */
function small(manner: Manner, sessions: number, { recipients = 1, pipelined = false }: Manners = {}): Case {
  const name = [manner, sessions, ...(recipients > 1 ? [`r${recipients}`] : []), ...(pipelined ? ['p'] : [])];
  const connections = manner === 'new' ? 'a connection for each message' : 'connections reused';
  const title = `4 KiB, ${count(sessions, 'session')}, ${connections}${described(recipients, pipelined)}`;
  const load = { sessions, octets: SMALL_OCTETS, recipients, reuse: manner === 'reused', pipelined };
  return { kind: 'load', name: name.join('-'), title, stage: LOCAL, load };
}

function large(sessions: number): Case {
  const title = `25 MiB, ${count(sessions, 'session')}`;
  const load = { sessions, octets: LARGE_OCTETS, recipients: 1, reuse: false, pipelined: false };
  return { kind: 'load', name: `bulk-${sessions}`, title, stage: LOCAL, load };
}

function latency(manner: Manner): Case {
  const title = `latency at low load, ${manner === 'new' ? 'a connection for each message' : 'connection reused'}`;
  const reuse = manner === 'reused';
  const load = {
    sessions: 1,
    octets: SMALL_OCTETS,
    recipients: 1,
    reuse,
    pipelined: false,
    pauseMs: PAUSE_MS,
  };
  return { kind: 'load', name: `latency-${manner}`, title, stage: LOCAL, load, messages: 100 };
}

function distant(
  name: string,
  stage: StageOptions,
  manner: Manner,
  { recipients = 1, pipelined = false }: Manners = {},
): Case {
  const connections = manner === 'new' ? 'new connections' : 'connection reused';
  const extension = stage.chunking ? 'CHUNKING' : 'no CHUNKING';
  const title = `${stage.roundTripMs} ms round-trip time, ${connections}, ${extension}${described(recipients, pipelined)}`;
  const load = { sessions: 1, octets: SMALL_OCTETS, recipients, reuse: manner === 'reused', pipelined };
  return { kind: 'load', name, title, stage, load, messages: 10, rounds: 2 };
}

function idle(clients: number): Case {
  const title = `${clients.toLocaleString('en')} idle clients`;
  return { kind: 'idle', name: `idle-${clients}`, title, stage: LOCAL, clients, rounds: 1 };
}

function described(recipients: number, pipelined: boolean): string {
  return `${recipients > 1 ? `, ${recipients} recipients` : ''}${pipelined ? ', pipelined' : ''}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
