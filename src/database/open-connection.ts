/**
 * A connection to the database's server, ready for its protocol.
 *
 * Guarantees: beyond this machine it is given only inside TLS whose peer has proved its name (`VerifiedTls`); what came in
 * clear before the handshake is a reason to refuse, as it was used to forge answers (CVE-2021-23222).
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { errorCode } from '../protocol/error-code.ts';
import { unlessAborted } from '../protocol/unless-aborted.ts';
import { connectTcp } from '../tls/connect-tcp.ts';
import { identifierText, type ReferenceIdentifier } from '../tls/reference-identifier.ts';
import type { Trust } from '../tls/trust.ts';
import { VerifiedTls } from '../tls/verified-tls.ts';
import { DatabaseError } from './database-error.ts';
import type { DatabaseWay } from './database-place.ts';

/** PostgreSQL's documentation, "Message Formats": length, and the number that asks for TLS. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const YES = Buffer.from('S');
const NO = Buffer.from('N');

/** A connection whose other end has gone without a word is found out so. */
const KEEP_ALIVE_MS = 30_000;

/**
 * @param signal ends the attempt
 * @throws {DatabaseError | RelayError}
 */
export async function openConnection(way: DatabaseWay, trust: Trust, signal: AbortSignal): Promise<Socket> {
  const socket = await connected(way, trust, signal);
  if (way.kind !== 'socket') socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}

async function connected(way: DatabaseWay, trust: Trust, signal: AbortSignal): Promise<Socket> {
  switch (way.kind) {
    case 'socket':
      return connectSocket(way.path, signal);
    case 'loopback':
      return connectTcp({ host: 'localhost', port: way.port, addresses: way.addresses }, signal);
    case 'tls':
      return secured(way, trust, signal);
  }
}

async function connectSocket(path: string, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ path });
  socket.on('error', () => undefined); // told by what waits for it
  try {
    await unlessAborted(once(socket, 'connect'), signal, timedOut);
    return socket;
  } catch (error) {
    socket.destroy();
    throw new DatabaseError('away', errorCode(error) ?? 'timeout', { cause: error });
  }
}

interface TlsWay {
  readonly reference: ReferenceIdentifier;
  readonly port: number;
}

async function secured({ reference, port }: TlsWay, trust: Trust, signal: AbortSignal): Promise<Socket> {
  const socket = await connectTcp({ host: identifierText(reference), port }, signal);
  try {
    await agreeOnTls(socket, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  const identity = { references: [reference], proof: { by: 'pkix' } } as const;
  return (await VerifiedTls.handshake(socket, identity, trust, { signal })).stream;
}

async function agreeOnTls(socket: Socket, signal: AbortSignal): Promise<void> {
  const answered = firstOctets(socket);
  socket.write(SSL_REQUEST);
  const octets = await unlessAborted(answered, signal, timedOut);
  if (octets.equals(NO)) throw new DatabaseError('insecure', 'no-tls');
  if (octets.subarray(0, 1).equals(YES) && octets.length > 1)
    throw new DatabaseError('insecure', 'data-before-tls');
  if (!octets.equals(YES)) throw new DatabaseError('insecure', 'not-postgresql');
}

/** Nothing is read behind them. */
async function firstOctets(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket
      .once('data', (octets: Buffer) => {
        socket.pause();
        resolve(octets);
      })
      .once('close', () => reject(new DatabaseError('away', 'connection-lost')));
  });
}

function timedOut(): DatabaseError {
  return new DatabaseError('away', 'timeout');
}
