/**
 * Reads the header of the PROXY protocol from a connection that a balancer made.
 *
 * Guarantees: nothing behind the header is taken from the socket; a balancer that says nothing is given up.
 */
import type { Socket } from 'node:net';

import { readProxyHeader, type ProxyFault, type ProxyHeader } from './proxy-header.ts';

/** The specification asks for three seconds at least. */
const HEADER_MS = 10_000;

/** @returns undefined when the connection ended before its header */
export async function proxyHeaderOf(socket: Socket): Promise<ProxyHeader | ProxyFault | undefined> {
  const { promise, resolve } = Promise.withResolvers<ProxyHeader | ProxyFault | undefined>();
  let held = Buffer.alloc(0);
  const settle = (found: ProxyHeader | ProxyFault | undefined): void => {
    clearTimeout(timer);
    socket.off('readable', read).off('error', ended).off('close', ended).off('end', ended);
    resolve(found);
  };
  const read = (): void => {
    for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read()) {
      held = Buffer.concat([held, chunk]);
      const found = readProxyHeader(held);
      if (found === undefined) continue;
      settle(found); // before anything is put back, which would be read here again
      if (typeof found !== 'string' && held.length > found.length)
        socket.unshift(held.subarray(found.length));
      return;
    }
  };
  const ended = (): void => settle(undefined);
  const timer = setTimeout(() => settle('no-proxy-header'), HEADER_MS);
  socket.on('readable', read).on('error', ended).on('close', ended).on('end', ended);
  return promise;
}
