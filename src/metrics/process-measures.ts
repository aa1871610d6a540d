/**
 * What one process can say of itself at a moment, beside what happened.
 */
import { readdir } from 'node:fs/promises';

import type { SpoolMeasure } from '../spool/spool-store.ts';
import type { HopCounts } from '../upstream/hop-supply.ts';

/** Durations and times in seconds, sizes in octets. */
export interface ProcessMeasures {
  readonly cpuSeconds: number;
  readonly residentOctets: number;
  readonly heapOctets: number;
  /** Undefined where the system does not tell. */
  readonly openFiles: number | undefined;
  readonly loopActiveSeconds: number;
  readonly loopIdleSeconds: number;
  /** Since 1970. */
  readonly startedAt: number;
}

/** What one relay has at a moment. */
export interface RelayMeasures {
  readonly process: ProcessMeasures;
  readonly hops: HopCounts;
  /** Of the spool that all relays share; undefined where there is none, or it cannot tell. */
  readonly spool: SpoolMeasure | undefined;
}

export async function measureProcess(): Promise<ProcessMeasures> {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const { active, idle } = performance.eventLoopUtilization();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentOctets: rss,
    heapOctets: heapUsed,
    openFiles: await openFiles(),
    loopActiveSeconds: active / 1e3,
    loopIdleSeconds: idle / 1e3,
    startedAt: performance.timeOrigin / 1e3,
  };
}

async function openFiles(): Promise<number | undefined> {
  try {
    return (await readdir('/proc/self/fd')).length;
  } catch {
    return undefined;
  }
}
