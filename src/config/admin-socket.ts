/**
 * Where a relay and those who ask for its health meet without a port: a socket beside the state.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';

import type { Values } from './table.ts';

/**
 * Several relays may share a state directory, in containers too: machine and listeners tell them apart.
 *
 * @returns undefined for a relay that lets the system pick a port: nobody can know which one is meant
 */
export function adminSocketOf({
  stateDirectory,
  listen,
  listenTls = [],
}: Pick<Values, 'stateDirectory' | 'listen' | 'listenTls'>): string | undefined {
  const listeners = [...listen, ...listenTls].map(({ host, port }) => `${host}:${port}`);
  if (listeners.some((listener) => listener.endsWith(':0'))) return undefined;
  const digest = createHash('sha256')
    .update([hostname(), ...listeners].join('\n'))
    .digest('hex');
  return join(stateDirectory, `relay-${digest.slice(0, 12)}.sock`);
}
