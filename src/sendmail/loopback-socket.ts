/**
 * A connection to the relay, in clear text and therefore on loopback only.
 *
 * Guarantees: a socket is given only when the other end has an address of loopback, whatever the name that led there
 * stands for in a hosts file.
 */
import { connect, type Socket } from 'node:net';

import { errorCode } from '../protocol/error-code.ts';
import { isLoopback } from '../tls/loopback.ts';
import { SendmailError, SYSEXITS } from './exit-code.ts';

export interface RelayAddress {
  readonly host: string;
  readonly port: number;
}

/** @throws {SendmailError} EX_TEMPFAIL when nobody answers: a relay that is being restarted comes back */
export async function openLoopback({ host, port }: RelayAddress): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  } catch (error) {
    throw unanswered(host, port, error);
  }
  const address = socket.remoteAddress ?? '';
  if (isLoopback(address)) return socket;
  socket.destroy();
  throw new SendmailError(
    SYSEXITS.config,
    `${host} is ${address}, which is not on loopback: mail would go there in clear text`,
  );
}

function unanswered(host: string, port: number, error: unknown): SendmailError {
  const reason = errorCode(error) ?? 'unknown';
  const shown = host.includes(':') ? `[${host}]` : host;
  const text = `the relay at ${shown}:${port} does not answer (${reason}); is \`sealpost serve\` running?`;
  return new SendmailError(SYSEXITS.temporaryFailure, text, { cause: error });
}
