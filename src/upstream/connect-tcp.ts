/**
 * A TCP connection to a host and port, over whichever of its addresses answers (RFC 8305).
 */
import { connect, type Socket } from 'node:net';

import { RelayError } from '../protocol/failure.ts';

/**
 * Node gives up an address after this time and tries the next; its default of 250 ms is less than the round-trip time
 * of a satellite or of a busy mobile network, where it would give up on every address.
 */
const ADDRESS_ATTEMPT_MS = 3_000;

/**
 * @param signal ends the attempt
 * @throws {RelayError} dns | unreachable
 */
export async function connectTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS });
    const settle = (error?: Error & { code?: string; syscall?: string }): void => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('connect', settle).removeListener('error', settle);
      if (error === undefined) return resolve(socket);
      socket.on('error', () => undefined).destroy();
      const reason = error.code ?? 'connection-error';
      const failure =
        error.syscall === 'getaddrinfo'
          ? ({ kind: 'dns', phase: 'resolve', reason } as const)
          : ({ kind: 'unreachable', phase: 'connect', reason } as const);
      reject(new RelayError(failure, { cause: error }));
    };
    const onAbort = (): void =>
      settle(Object.assign(new Error('no connection in time'), { code: 'timeout' }));
    socket.once('connect', () => settle()).once('error', settle);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
