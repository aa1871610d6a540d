/**
 * DNS in clear to a resolver on loopback: UDP, then TCP for what does not fit (RFC 7766).
 *
 * Guarantees: each query has a socket and an id of its own; a datagram that does not answer it is not looked at.
 */
import { createSocket, type Socket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { connect, isIPv6 } from 'node:net';

import {
  encodeQuery,
  isTruncated,
  readResponse,
  responseId,
  type Question,
  type Response,
} from './dns-message.ts';
import { DnsError, asDnsError } from './dns-error.ts';
import { MessageStream } from './message-stream.ts';
import type { Transport } from './transport.ts';

/** How long each datagram waits for its answer before the question is sent again; the last one waits to the end. */
const ATTEMPTS_MS = [1_500, 3_000, Infinity];

export class PlainTransport implements Transport {
  readonly #host: string;
  readonly #port: number;

  /** @param host an IP address of loopback: see resolver-address.ts */
  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  async exchange(question: Question, signal: AbortSignal): Promise<Response> {
    for (const waitMs of ATTEMPTS_MS) {
      const response = await this.#byUdp(question, waitMs, signal);
      if (response === 'truncated') return this.#byTcp(question, signal);
      if (response !== 'silence') return response;
    }
    throw new DnsError('timeout');
  }

  /** Nothing is open between two questions. */
  close(): void {}

  async #byUdp(
    question: Question,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Response | 'truncated' | 'silence'> {
    const { promise, resolve, reject } = Promise.withResolvers<'silence'>();
    const socket = createSocket(isIPv6(this.#host) ? 'udp6' : 'udp4');
    const id = randomInt(0x1_0000);
    const onAbort = (): void => reject(new DnsError('timeout'));
    const timer = waitMs === Infinity ? undefined : setTimeout(() => resolve('silence'), waitMs);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const response = responseTo(id, question, socket);
      // Connected: the kernel gives us no datagram of another sender, and tells us when nobody listens there.
      // Not by a callback: it would be called on failure too, and then there is nobody to send to.
      socket.once('connect', () => {
        if (!signal.aborted) socket.send(encodeQuery(id, question));
      });
      socket.connect(this.#port, this.#host);
      return await Promise.race([response, promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.close();
    }
  }

  async #byTcp(question: Question, signal: AbortSignal): Promise<Response> {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    const stream = new MessageStream(socket);
    try {
      return await stream.exchange(question, signal);
    } finally {
      stream.close();
    }
  }
}

async function responseTo(id: number, question: Question, socket: Socket): Promise<Response | 'truncated'> {
  const { promise, resolve, reject } = Promise.withResolvers<Response | 'truncated'>();
  socket.on('error', (error) => reject(asDnsError(error, 'unreachable')));
  socket.on('message', (message) => {
    if (responseId(message) !== id) return;
    if (isTruncated(message)) return resolve('truncated');
    try {
      const response = readResponse(message, question);
      if (response !== undefined) resolve(response);
    } catch (error) {
      reject(error);
    }
  });
  return promise;
}
