/**
 * A TCP connection to one of a host's addresses, whichever answers (RFC 8305).
 */
import { connect, isIPv6, type Socket } from 'node:net';

import { RelayError } from '../protocol/failure.ts';

/**
 * Node gives up an address after this time and tries the next; its default of 250 ms is less than the round-trip time
 * of a satellite or of a busy mobile network, where it would give up on every address.
 */
const ADDRESS_ATTEMPT_MS = 3_000;

/**
 * @param host for messages; what is connected to are the addresses
 * @param signal ends the attempt
 * @throws {RelayError} unreachable
 */
export async function connectTcp(
  host: string,
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      noDelay: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
      lookup: (_host, _options, callback) => callback(null, found),
    });
    const settle = (error?: Error & { code?: string }): void => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('connect', settle).removeListener('error', settle);
      if (error === undefined) return resolve(socket);
      socket.on('error', () => undefined).destroy();
      const reason = error.code ?? 'connection-error';
      reject(new RelayError({ kind: 'unreachable', phase: 'connect', reason }, { cause: error }));
    };
    const onAbort = (): void =>
      settle(Object.assign(new Error('no connection in time'), { code: 'timeout' }));
    socket.once('connect', () => settle()).once('error', settle);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
