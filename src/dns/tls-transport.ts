/**
 * DNS over TLS (RFC 7858, strict): one connection for all questions, opened on demand, closed when idle.
 *
 * Guarantees: no question leaves before the resolver proved its name; there is no way back to clear text. A question
 * whose connection is lost is asked once more on a new one.
 */
import type { Socket } from 'node:net';

import { RelayError } from '../protocol/failure.ts';
import { unlessAborted } from '../protocol/unless-aborted.ts';
import { connectTcp } from '../tls/connect-tcp.ts';
import type { ReferenceIdentifier } from '../tls/reference-identifier.ts';
import type { Trust } from '../tls/trust.ts';
import { VerifiedTls } from '../tls/verified-tls.ts';
import type { Question, Response } from './dns-message.ts';
import { DnsError, timedOut } from './dns-error.ts';
import { MessageStream } from './message-stream.ts';
import type { Transport } from './transport.ts';

/** Less than what servers allow (RFC 7766 §6.2.3 speaks of seconds), enough for a burst of questions. */
const IDLE_MS = 5_000;

/** How long connecting and the handshake may take; several questions may be waiting for it. */
const OPENING_MS = 8_000;

export interface TlsResolver {
  readonly host: string;
  readonly port: number;
  readonly reference: ReferenceIdentifier;
}

interface Connection {
  readonly messages: MessageStream;
  readonly socket: Socket;
}

export class TlsTransport implements Transport {
  readonly #resolver: TlsResolver;
  readonly #trust: Trust;
  readonly #closing = new AbortController();
  #connection: Promise<Connection> | undefined;
  #underWay = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(resolver: TlsResolver, trust: Trust) {
    this.#resolver = resolver;
    this.#trust = trust;
  }

  async exchange(question: Question, signal: AbortSignal): Promise<Response> {
    this.#underWay += 1;
    clearTimeout(this.#idle);
    try {
      return await this.#ask(question, signal, true);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#rest();
    }
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#idle);
    this.#drop();
  }

  async #ask(question: Question, signal: AbortSignal, mayRepeat: boolean): Promise<Response> {
    const { messages, socket } = await this.#connected(signal);
    socket.ref();
    try {
      return await messages.exchange(question, signal);
    } catch (error) {
      const isLost = messages.isClosed && error instanceof DnsError && error.reason === 'unreachable';
      if (!isLost || !mayRepeat || this.#closing.signal.aborted) throw error;
      return this.#ask(question, signal, false);
    }
  }

  async #connected(signal: AbortSignal): Promise<Connection> {
    if (this.#closing.signal.aborted) throw new DnsError('unreachable');
    const connection = this.#connection ?? this.#open();
    const { messages } = await unlessAborted(connection, signal, timedOut);
    if (!messages.isClosed) return connection;
    // Whoever comes first opens the next one.
    if (this.#connection === connection) this.#connection = undefined;
    return this.#connected(signal);
  }

  #open(): Promise<Connection> {
    const connection = this.#opened();
    this.#connection = connection;
    connection.catch(() => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    return connection;
  }

  /** Not ended by the signal of one question: others may wait for it too. */
  async #opened(): Promise<Connection> {
    const opening = new AbortController();
    const timer = setTimeout(() => opening.abort(), OPENING_MS);
    const onClose = (): void => opening.abort();
    this.#closing.signal.addEventListener('abort', onClose, { once: true });
    try {
      const { host, port, reference } = this.#resolver;
      const socket = await connectTcp({ host, port }, opening.signal);
      const identity = { references: [reference], proof: { by: 'pkix' } } as const;
      const { stream } = await VerifiedTls.handshake(socket, identity, this.#trust, {
        signal: opening.signal,
      });
      return { messages: new MessageStream(stream), socket: stream };
    } catch (error) {
      throw openingFailure(error);
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener('abort', onClose);
    }
  }

  /** An idle connection does not keep the process alive. */
  #rest(): void {
    this.#connection?.then(
      ({ socket }) => {
        if (this.#underWay === 0) socket.unref();
      },
      () => undefined, // told to those who waited for it
    );
    this.#idle = setTimeout(() => this.#drop(), IDLE_MS).unref();
  }

  #drop(): void {
    this.#connection?.then(
      ({ messages }) => messages.close(),
      () => undefined, // told to those who waited for it
    );
    this.#connection = undefined;
  }
}

function openingFailure(error: unknown): unknown {
  if (!(error instanceof RelayError)) return error;
  const { failure } = error;
  if (failure.kind !== 'unreachable' && failure.kind !== 'tls') return error;
  if (failure.reason === 'timeout') return new DnsError('timeout', { cause: error });
  return new DnsError(failure.kind === 'tls' ? 'not-verified' : 'unreachable', { cause: error });
}
