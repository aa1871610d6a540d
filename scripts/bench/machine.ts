/**
 * Where a measurement was made: numbers of two machines, or of two days, are not to be compared.
 */
import { cpus, release, totalmem, type } from 'node:os';
import { readFileSync } from 'node:fs';

const GB = 1e9;

export interface Machine {
  readonly processors: string;
  readonly memory: string;
  readonly system: string;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
}

export function thisMachine(): Machine {
  const all = cpus();
  return {
    processors: `${all.length} × ${all[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / GB)} GB`,
    system: systemName(),
    kernel: `${type()} ${release()}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
  };
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
