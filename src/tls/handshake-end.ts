/**
 * How a handshake ends: once, whatever comes.
 *
 * Guarantees: every event but success is a failure; late events do nothing; after a failure both sockets are destroyed.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Why a handshake is no proof. `code` becomes the failure-reason-code. */
export class HandshakeError extends Error {
  readonly code: string;

  constructor(code: string, cause?: unknown) {
    super(code, { cause });
    this.code = code;
  }
}

/** The server has not said anything at all: a large ClientHello may have been lost on the way. */
export const NO_SERVER_HELLO = 'no-server-hello';

export interface Patience {
  /** Ends the attempt. */
  readonly signal: AbortSignal;
  /** How long the server's first octet is waited for, milliseconds; undefined: as long as the signal lets. */
  readonly firstOctetMs?: number | undefined;
}

/**
 * Waits for the end of the handshake and takes what is made of its success.
 *
 * @param socket the transport beneath
 * @param proven called when the handshake succeeded; what it throws is a failure of the handshake
 * @throws what ended it
 */
export async function handshakeEnd<T>(
  tls: TLSSocket,
  socket: Socket,
  { signal, firstOctetMs }: Patience,
  proven: () => T,
): Promise<T> {
  const before = socket.bytesRead;
  const isSilent = (): boolean => firstOctetMs !== undefined && socket.bytesRead === before;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const lost = (cause?: unknown): void =>
        reject(
          isSilent()
            ? new HandshakeError(NO_SERVER_HELLO, cause)
            : (cause ?? new HandshakeError('connection-lost')),
        );
      onAbort = (): void => reject(new HandshakeError('timeout'));
      tls
        .once('secureConnect', () => resolve())
        .on('error', lost)
        .once('close', () => lost());
      if (firstOctetMs !== undefined)
        timer = setTimeout(() => {
          if (isSilent()) lost();
        }, firstOctetMs);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
    return proven();
  } catch (error) {
    tls.destroy();
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}
