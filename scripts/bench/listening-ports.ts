/**
 * What TCP sockets a process's network namespace has, from /proc: a look that needs no connection, which a server would
 * count, and no entry into the namespace.
 */
import { readFileSync } from 'node:fs';

const LISTEN = '0A';

/** Whether anybody listens on this port in the network namespace of that process. */
export function listens(processId: number, port: number): boolean {
  return sockets(processId).some(({ state, localPort }) => state === LISTEN && localPort === port);
}

interface TcpSocket {
  readonly state: string | undefined;
  readonly localPort: number;
}

function sockets(processId: number): readonly TcpSocket[] {
  return ['tcp', 'tcp6'].flatMap((table) => rows(processId, table)).map(parse);
}

function rows(processId: number, table: string): readonly string[] {
  try {
    return readFileSync(`/proc/${processId}/net/${table}`, 'utf8').trim().split('\n').slice(1);
  } catch {
    return []; // the process has ended, or the machine has no IPv6
  }
}

/** `0: 0100007F:09DD 00000000:0000 0A …`: proc(5), all numbers hexadecimal. */
function parse(row: string): TcpSocket {
  const [, local = '', , state] = row.trim().split(/\s+/);
  return { state, localPort: portOf(local) };
}

function portOf(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16);
}
