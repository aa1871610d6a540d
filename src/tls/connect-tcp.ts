/**
 * The TCP connection beneath TLS, to one of a host's addresses, whichever answers (RFC 8305).
 */
import { once } from 'node:events';
import { connect, isIPv6, type Socket } from 'node:net';

import { errorCode } from '../protocol/error-code.ts';
import { RelayError } from '../protocol/failure.ts';
import { unlessAborted } from '../protocol/unless-aborted.ts';

/**
 * Node gives up an address after this time and tries the next; its default of 250 ms is less than the round-trip time
 * of a satellite or of a busy mobile network, where it would give up on every address.
 */
const ADDRESS_ATTEMPT_MS = 3_000;

export interface TcpPlace {
  readonly host: string;
  readonly port: number;
  /** Those of the host, where somebody has found them out already. */
  readonly addresses?: readonly string[];
}

/**
 * @param signal ends the attempt
 * @throws {RelayError} unreachable; its reason is a code of Node's, or `timeout`
 */
export async function connectTcp({ host, port, addresses }: TcpPlace, signal: AbortSignal): Promise<Socket> {
  const found = addresses?.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  const socket = connect({
    host,
    port,
    ...(found !== undefined && { lookup: (_host, _options, callback) => callback(null, found) }),
    noDelay: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
  });
  socket.on('error', () => undefined); // told by what waits for the socket, if anybody does
  try {
    await unlessAborted(once(socket, 'connect'), signal, () => unreachable('timeout'));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error instanceof RelayError ? error : unreachable(errorCode(error) ?? 'connection-error', error);
  }
}

function unreachable(reason: string, cause?: unknown): RelayError {
  return new RelayError({ kind: 'unreachable', phase: 'connect', reason }, { cause });
}
