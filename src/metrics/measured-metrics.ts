/**
 * What is measured when somebody asks: hops, spool, processes.
 */
import type { Definitions } from './definitions.ts';
import type { ProcessMeasures, RelayMeasures } from './process-measures.ts';

/** A process by the name that it has in labels. */
export interface NamedProcess {
  /** `main`, or the number of a worker. */
  readonly name: string;
  readonly measures: ProcessMeasures;
}

/** What all processes of one relay have. */
export interface Measured {
  readonly processes: readonly NamedProcess[];
  readonly relays: readonly RelayMeasures[];
}

/** @returns what sets them to what was measured */
export function measuredMetrics(define: Definitions): (measured: Measured) => void {
  const setHops = hopGauges(define);
  const setSpool = spoolGauges(define);
  const setProcesses = processMetrics(define);
  return ({ processes, relays }) => {
    setHops(relays);
    setSpool(relays);
    setProcesses(processes);
  };
}

function hopGauges(define: Definitions): (relays: readonly RelayMeasures[]) => void {
  const hops = define.gauge('sealpost_hops', 'Hops to upstreams now.', ['state']);
  const waiting = define.gauge('sealpost_hop_waiters', 'Transactions that wait for a hop now.');
  return (relays) => {
    const sum = (of: 'idle' | 'leased' | 'opening' | 'waiting'): number =>
      relays.reduce((total, relay) => total + relay.hops[of], 0);
    for (const state of ['idle', 'leased', 'opening'] as const) hops.set({ state }, sum(state));
    waiting.set(sum('waiting'));
  };
}

function spoolGauges(define: Definitions): (relays: readonly RelayMeasures[]) => void {
  const messages = define.gauge('sealpost_spool_messages', 'Messages in the spool.');
  const octets = define.gauge('sealpost_spool_bytes', 'Octets in the spool.');
  const age = define.gauge(
    'sealpost_spool_oldest_seconds',
    'How long the oldest message in the spool has been there; 0 when it is empty.',
  );
  return (relays) => {
    // They share it: one speaks for all.
    const spool = relays.find((relay) => relay.spool !== undefined)?.spool;
    messages.set(spool?.messages ?? 0);
    octets.set(spool?.octets ?? 0);
    age.set(spool?.oldestArrival === undefined ? 0 : (Date.now() - spool.oldestArrival) / 1e3);
  };
}

function processMetrics(define: Definitions): (processes: readonly NamedProcess[]) => void {
  const labelNames = ['process'];
  const cpu = define.counter(
    'sealpost_process_cpu_seconds_total',
    'CPU time of each process, user and system.',
    labelNames,
  );
  const loop = define.counter(
    'sealpost_process_event_loop_seconds_total',
    'How long the event loop of each process was busy, and how long it waited.',
    ['process', 'state'],
  );
  const resident = define.gauge(
    'sealpost_process_resident_memory_bytes',
    'Resident memory of each process.',
    labelNames,
  );
  const heap = define.gauge(
    'sealpost_process_heap_bytes',
    'JavaScript heap in use by each process.',
    labelNames,
  );
  const files = define.gauge(
    'sealpost_process_open_fds',
    'File descriptors that each process has open.',
    labelNames,
  );
  const started = define.gauge(
    'sealpost_process_start_time_seconds',
    'When each process began, since 1970.',
    labelNames,
  );
  return (processes) => {
    for (const metric of [cpu, loop, resident, heap, files, started]) metric.reset();
    for (const { name, measures } of processes) {
      const labels = { process: name };
      cpu.inc(labels, measures.cpuSeconds);
      loop.inc({ ...labels, state: 'active' }, measures.loopActiveSeconds);
      loop.inc({ ...labels, state: 'idle' }, measures.loopIdleSeconds);
      resident.set(labels, measures.residentOctets);
      heap.set(labels, measures.heapOctets);
      if (measures.openFiles !== undefined) files.set(labels, measures.openFiles);
      started.set(labels, measures.startedAt);
    }
  };
}
