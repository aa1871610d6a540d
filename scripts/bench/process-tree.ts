/**
 * What a server and all its processes cost, from /proc.
 *
 * Guarantees: the CPU time of children that ended and were waited for is counted, through their parents.
 * Does not: count children whose parent ignores SIGCHLD; the kernel adds those to nobody.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const OCTETS_PER_KB = 1024;
/** proc(5), /proc/pid/clear_refs: "write 5 to reset the peak resident set size". */
const RESET_PEAK = '5';

export interface Usage {
  readonly processes: number;
  readonly cpuSeconds: number;
  /** Sum over the processes; pages that they share count once for each. */
  readonly residentOctets: number;
  /** The same of the highest each has reached since `forgetPeak`. */
  readonly peakOctets: number;
}

/** @param root process id of the server */
export function usageOf(root: number): Usage {
  const processIds = treeOf(root);
  const status = processIds.map((id) => read(`/proc/${id}/status`));
  return {
    processes: processIds.length,
    cpuSeconds: sum(processIds.map((id) => ticksOf(statOf(id)))) / TICKS_PER_SECOND,
    residentOctets: sum(status.map((text) => kilobytes(text, 'VmRSS'))) * OCTETS_PER_KB,
    peakOctets: sum(status.map((text) => kilobytes(text, 'VmHWM'))) * OCTETS_PER_KB,
  };
}

/** Lets `peakOctets` begin anew. */
export function forgetPeak(root: number): void {
  for (const id of treeOf(root)) {
    try {
      writeFileSync(`/proc/${id}/clear_refs`, RESET_PEAK);
    } catch {
      // it has ended since
    }
  }
}

/** The process and its descendants that are alive. */
function treeOf(root: number): readonly number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))[1]);
    const siblings = childrenOf.get(parent) ?? [];
    childrenOf.set(parent, [...siblings, Number(name)]);
  }
  const tree = [root];
  for (const id of tree) tree.push(...(childrenOf.get(id) ?? [])); // grows while it is walked
  return tree;
}

/** Fields of /proc/pid/stat from the third on (state, ppid, …): the second may contain blanks. */
function statOf(processId: number): readonly string[] {
  const text = read(`/proc/${processId}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** utime, stime, cutime, cstime: the fields 14 to 17 of proc(5). */
function ticksOf(stat: readonly string[]): number {
  return sum(stat.slice(11, 15).map(Number));
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process has ended since
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
