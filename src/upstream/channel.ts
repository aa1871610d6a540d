/**
 * Commands out, replies in, over one socket.
 *
 * Guarantees: carries only the verbs of its type; each reply answers the oldest command without one; a reply that
 * nothing asked for, a syntax fault, silence or loss ends the channel, and whoever waits is told; the buffer is born
 * with the socket and dies with it.
 * Does not: know SMTP's order of commands (plain-hop.ts, secured-hop.ts, transaction.ts, which alone import this).
 */
import type { Socket } from 'node:net';

import type { CommandLine, Verb } from '../protocol/command.ts';
import { RelayError, type Failure, type Phase } from '../protocol/failure.ts';
import { DATA_BLOCK_TIMEOUT_MS } from '../protocol/limits.ts';
import { ReplyReader, ReplySyntaxError } from '../protocol/reply-reader.ts';
import { isRefusal, type Reply } from '../protocol/reply.ts';

/** What fits one TLS record (RFC 8446 §5.1). */
const RECORD_OCTETS = 16_384;

/** How long a connection that was told QUIT may take to go away. */
const LINGER_MS = 2_000;

interface Awaited {
  readonly phase: Phase;
  readonly timeoutMs: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: RelayError) => void;
}

/** `in V`: a channel for more verbs can stand for one with fewer, never the other way round. */
export class Channel<in V extends Verb> {
  readonly #socket: Socket;
  readonly #reader = new ReplyReader();
  readonly #awaited: Awaited[] = [];
  #timer: NodeJS.Timeout | undefined;
  #ended: { readonly reason: string; readonly isProtocol: boolean } | undefined;
  #drained: { readonly resolve: () => void; readonly reject: (error: RelayError) => void } | undefined;
  /** What is sent in one go leaves in one write, so in one TLS record where it fits. */
  #flight: Buffer[] = [];
  #flightOctets = 0;
  /** Called with a 4xx or 5xx that no command asked for, while content is being sent; the channel ends with it. */
  onEarlyRefusal: ((reply: Reply) => void) | undefined;
  /** Called once, when the channel ends, by whomever. */
  onEnd: ((reason: string) => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true); // a flight is one write; Nagle would only delay it
    socket
      .on('data', this.#onData)
      .on('end', this.#onClose)
      .on('close', this.#onClose)
      .on('error', this.#onError);
  }

  /** Why the channel ended; undefined while it is open. */
  get endReason(): string | undefined {
    return this.#ended?.reason;
  }

  /** True when every command has its reply: nothing is under way. */
  get isQuiet(): boolean {
    return this.#ended === undefined && this.#awaited.length === 0 && this.#reader.isEmpty;
  }

  /** @throws {RelayError} when the channel has ended */
  assertOpen(phase: Phase): void {
    if (this.#ended !== undefined) throw loss(phase, this.#ended);
  }

  /**
   * Sends a command and waits for its reply. Commands sent in one go leave in one flight (RFC 2920).
   *
   * @throws {RelayError} protocol | unreachable | lost | outcome-unknown
   */
  send(command: CommandLine<V>, phase: Phase, timeoutMs: number): Promise<Reply> {
    if (this.#ended === undefined) this.#write(Buffer.from(command.toWire()));
    return this.awaitReply(phase, timeoutMs);
  }

  /** Waits for a reply that no command asks for: the greeting, the verdict on a message. */
  awaitReply(phase: Phase, timeoutMs: number): Promise<Reply> {
    const reply = new Promise<Reply>((resolve, reject) => {
      if (this.#ended === undefined) this.#awaited.push({ phase, timeoutMs, resolve, reject });
      else reject(loss(phase, this.#ended));
    });
    if (this.#awaited.length === 1) this.#armTimer();
    reply.catch(() => undefined); // a pipelined reply may be given up before anybody waits for it
    return reply;
  }

  /**
   * Writes content octets. Only a channel that carries DATA or BDAT can do this.
   *
   * Resolves when the socket wants more: backpressure of the upstream is felt here.
   *
   * @throws {RelayError} lost | protocol, at `body`
   */
  async content(this: Channel<'DATA'> | Channel<'BDAT'>, pieces: readonly Buffer[]): Promise<void> {
    this.assertOpen('body');
    for (const piece of pieces) this.#write(piece);
    if (!this.#socket.writableNeedDrain) return;
    const timer = setTimeout(() => this.#end('timeout'), DATA_BLOCK_TIMEOUT_MS);
    const onDrain = (): void => this.#drained?.resolve();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#drained = { resolve, reject };
        this.#socket.once('drain', onDrain);
      });
    } finally {
      clearTimeout(timer);
      this.#socket.removeListener('drain', onDrain);
      this.#drained = undefined;
    }
  }

  /**
   * Gives the socket away, for the TLS handshake. The channel is over.
   *
   * @returns undefined when an octet beyond the last reply has arrived: nobody may have asked for it (RFC 3207 §4.2)
   */
  release(): Socket | undefined {
    const isClean = this.isQuiet && this.#socket.readableLength === 0;
    this.#socket.pause();
    this.#socket.removeListener('data', this.#onData).removeListener('end', this.#onClose);
    this.#socket.removeListener('close', this.#onClose).removeListener('error', this.#onError);
    this.#ended ??= { reason: 'released', isProtocol: false };
    return isClean ? this.#socket : undefined;
  }

  /** Says QUIT and does not wait for its reply; resolves when the connection is gone. */
  async quit(this: Channel<'QUIT'>, command: CommandLine<'QUIT'>): Promise<void> {
    if (this.#ended !== undefined) return this.destroy();
    this.#finish('quit');
    this.#depart();
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.end(command.toWire());
    await closed;
    clearTimeout(timer);
  }

  /**
   * For a reply that is no answer to what was asked: the two sides no longer agree on where they are, so the channel
   * ends.
   */
  desynchronised(phase: Phase, reply: Reply): RelayError {
    this.#end('desynchronised');
    return new RelayError({ kind: 'protocol', phase, reason: `unexpected-${reply.code}` });
  }

  /** Ends the connection at once; what was being written is cut off. */
  destroy(): void {
    this.#end('destroyed');
    this.#socket.destroy();
  }

  #write(octets: Buffer): void {
    if (this.#flight.length === 0) process.nextTick(() => this.#depart());
    this.#flight.push(octets);
    this.#flightOctets += octets.length;
    if (this.#flightOctets > RECORD_OCTETS) this.#depart(); // now, so that the socket tells when it has enough
  }

  #depart(): void {
    const [flight, octets] = [this.#flight, this.#flightOctets];
    this.#flight = [];
    this.#flightOctets = 0;
    if (octets === 0) return;
    const [only] = flight;
    if (only !== undefined && flight.length === 1) return void this.#socket.write(only);
    if (octets <= RECORD_OCTETS) return void this.#socket.write(Buffer.concat(flight, octets));
    this.#socket.cork();
    for (const piece of flight) this.#socket.write(piece);
    this.#socket.uncork();
  }

  readonly #onData = (octets: Buffer): void => {
    if (this.#ended !== undefined) return;
    try {
      for (const reply of this.#reader.read(octets)) this.#deliver(reply);
    } catch (error) {
      if (!(error instanceof ReplySyntaxError)) throw error;
      this.#end(error.reason, true);
    }
  };

  readonly #onClose = (): void => this.#end('connection-closed');

  readonly #onError = (error: Error & { code?: string }): void => this.#end(error.code ?? 'connection-error');

  #deliver(reply: Reply): void {
    if (this.#ended !== undefined) return;
    const awaited = this.#awaited.shift();
    this.#armTimer();
    if (awaited === undefined && isRefusal(reply)) this.onEarlyRefusal?.(reply);
    awaited?.resolve(reply);
    // RFC 5321 §3.8: 421 may come at any time and the connection goes with it.
    if (reply.code === 421) this.#end('upstream-closing');
    else if (awaited === undefined) this.#end('unsolicited-reply', true);
  }

  #armTimer(): void {
    clearTimeout(this.#timer);
    const [head] = this.#awaited;
    this.#timer = head === undefined ? undefined : setTimeout(() => this.#end('timeout'), head.timeoutMs);
  }

  #end(reason: string, isProtocol = false): void {
    if (this.#ended !== undefined) return;
    this.#socket.destroy();
    this.#finish(reason, isProtocol);
  }

  #finish(reason: string, isProtocol = false): void {
    this.#ended = { reason, isProtocol };
    clearTimeout(this.#timer);
    for (const { phase, reject } of this.#awaited.splice(0)) reject(loss(phase, this.#ended));
    this.#drained?.reject(loss('body', this.#ended));
    this.onEnd?.(reason);
  }
}

/** What the end of the channel means to somebody who waited at that phase. */
function loss(phase: Phase, ended: { readonly reason: string; readonly isProtocol: boolean }): RelayError {
  return new RelayError(lossFailure(phase, ended));
}

function lossFailure(phase: Phase, { reason, isProtocol }: { reason: string; isProtocol: boolean }): Failure {
  // Whatever went wrong while the verdict was awaited: the message may have been delivered.
  if (phase === 'final') return { kind: 'outcome-unknown', phase, reason };
  if (isProtocol) return { kind: 'protocol', phase, reason };
  return phase === 'greeting' ? { kind: 'unreachable', phase, reason } : { kind: 'lost', phase, reason };
}
