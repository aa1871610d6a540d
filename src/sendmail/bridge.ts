/**
 * `-bs`: SMTP on standard input and output, carried to the relay and back as it is.
 */
import type { Readable, Writable } from 'node:stream';

import { SendmailError, SYSEXITS } from './exit-code.ts';
import { openLoopback, type RelayAddress } from './loopback-socket.ts';

/** Resolves when the relay has ended the session. @throws {SendmailError} EX_TEMPFAIL */
export async function bridge(address: RelayAddress, input: Readable, output: Writable): Promise<void> {
  const socket = await openLoopback(address);
  input.pipe(socket);
  socket.pipe(output, { end: false });
  // The program went away: the session is over for the relay as well.
  output.on('error', () => socket.destroy());
  input.on('error', () => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('close', () => resolve());
    socket.once('error', (error) => {
      const text = `the connection to the relay broke off (${'code' in error ? String(error.code) : error.message})`;
      reject(new SendmailError(SYSEXITS.temporaryFailure, text, { cause: error }));
    });
  });
  input.destroy();
}
