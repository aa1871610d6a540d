/**
 * DNS messages over a stream (RFC 7766): each after its length in two octets, several questions at once.
 *
 * Guarantees: no more than one message is held; a question ends with its own response, told by its id, or with a
 * `DnsError`; when the stream ends, so does every question.
 */
import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';

import {
  encodeQuery,
  HEADER_OCTETS,
  isTruncated,
  readResponse,
  responseId,
  type Question,
  type Response,
} from './dns-message.ts';
import { DnsError, asDnsError } from './dns-error.ts';

const LENGTH_OCTETS = 2;
const MAX_QUESTIONS = 1_000;

interface Waiting {
  readonly question: Question;
  readonly resolve: (response: Response) => void;
  readonly reject: (error: DnsError) => void;
}

export class MessageStream {
  readonly #stream: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  #unread = Buffer.alloc(0);
  #isClosed = false;

  /** @param stream connected or connecting; owned by this object */
  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (octets: Buffer) => this.#read(octets));
    stream.on('error', (error) => this.#end(new DnsError('unreachable', { cause: error })));
    stream.on('end', () => this.#end(new DnsError('unreachable')));
    stream.on('close', () => this.#end(new DnsError('unreachable')));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws {DnsError} `unreachable` when the stream ended before the response came */
  async exchange(question: Question, signal: AbortSignal): Promise<Response> {
    if (this.#isClosed || this.#waiting.size >= MAX_QUESTIONS) throw new DnsError('unreachable');
    if (signal.aborted) throw new DnsError('timeout');
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const id = this.#freeId();
    const onAbort = (): void => reject(new DnsError('timeout'));
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiting.set(id, { question, resolve, reject });
    try {
      this.#stream.write(framed(encodeQuery(id, question)));
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#end(new DnsError('unreachable'));
  }

  #freeId(): number {
    for (;;) {
      const id = randomInt(0x1_0000);
      if (!this.#waiting.has(id)) return id;
    }
  }

  #read(octets: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, octets]);
    while (!this.#isClosed && this.#unread.length >= LENGTH_OCTETS) {
      const end = LENGTH_OCTETS + this.#unread.readUInt16BE(0);
      if (end < LENGTH_OCTETS + HEADER_OCTETS) return this.#end(new DnsError('malformed'));
      if (this.#unread.length < end) return;
      const message = this.#unread.subarray(LENGTH_OCTETS, end);
      this.#unread = this.#unread.subarray(end);
      this.#accept(message);
    }
  }

  /** A response that nobody waits for answers a question that was given up. */
  #accept(message: Buffer): void {
    const id = responseId(message);
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (waiting === undefined) return;
    try {
      // Over a stream nothing has to be cut; a part of an answer is not one.
      const response = isTruncated(message) ? undefined : readResponse(message, waiting.question);
      if (response === undefined) throw new DnsError('malformed');
      waiting.resolve(response);
    } catch (error) {
      waiting.reject(asDnsError(error, 'malformed'));
    }
  }

  #end(error: DnsError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unread = Buffer.alloc(0);
    this.#stream.destroy();
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_OCTETS);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
