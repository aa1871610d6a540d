/**
 * A TCP proxy between the relay and an upstream that does one wrong to a connection, at the moment it is told to.
 *
 * It sees cipher text only: when a phase is reached is known to the upstream behind it, which tells (see `linkOf`), or
 * shows in the octets (see `Watch`).
 * Does not: hold a fast side back for a slow one; what is under way is kept here.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Every wrong that is done. */
export const FAULTS = [
  'refuse',
  'reset',
  'blackhole',
  'delay',
  'half-close',
  'truncate',
  'throttle',
  'corrupt',
] as const;
export type Fault = (typeof FAULTS)[number];

/** As seen from the relay. */
export type Way = 'up' | 'down';

/** Looks at a piece before it is passed. */
export type Watch = (piece: Buffer, link: Link) => void;

const DELAY_MS = 150;
/** Slow, and not so slow that a message of some hundred kilobytes takes longer than a reply may. */
const SLICE_OCTETS = 1_024;
const SLICE_MS = 1;

export class FaultProxy implements AsyncDisposable {
  readonly #upstreamPort: number;
  readonly #links = new Set<Link>();
  #server: Server;
  #port = 0;
  /** Called when the relay has connected. */
  onLink: ((link: Link) => void) | undefined;
  /** Called with all that the relay sends. */
  onOctets: Watch | undefined;

  private constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => this.#accept(near));
  }

  static async start(upstreamPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstreamPort);
    await proxy.listen();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens where it listened before. */
  async listen(): Promise<void> {
    if (this.#server.listening) return;
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
  }

  /** Nobody gets in any more, and those inside are thrown out. */
  refuse(): void {
    this.#server.close();
    for (const link of this.#links) link.reset();
  }

  /** The link that ends in that connection of the upstream. */
  linkOf(raw: Socket): Link {
    const found = [...this.#links].find((link) => link.far.localPort === raw.remotePort);
    if (found === undefined) throw new Error('the connection came by another way');
    return found;
  }

  get links(): readonly Link[] {
    return [...this.#links];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const wasListening = this.#server.listening;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const link of this.#links) link.reset();
    if (wasListening) await closed;
  }

  #accept(near: Socket): void {
    const far = connect({
      port: this.#upstreamPort,
      host: '127.0.0.1',
      noDelay: true,
      allowHalfOpen: true,
    });
    const link = new Link(near, far, (piece) => this.onOctets?.(piece, link));
    this.#links.add(link);
    near.on('close', () => this.#links.delete(link));
    this.onLink?.(link);
  }
}

/** One connection of the relay, and the one that the proxy made for it. */
export class Link {
  readonly near: Socket;
  readonly far: Socket;
  readonly #ways: Readonly<Record<Way, OneWay>>;

  constructor(near: Socket, far: Socket, watch: (piece: Buffer) => void) {
    this.near = near;
    this.far = far;
    this.#ways = { up: new OneWay(near, far, watch), down: new OneWay(far, near, () => undefined) };
    near.on('close', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('error', () => undefined);
  }

  /** Does it from now on; what has a direction hits what goes this way. */
  strike(fault: Exclude<Fault, 'refuse'>, way: Way): void {
    if (fault === 'reset') return this.reset();
    if (fault === 'half-close' || fault === 'truncate' || fault === 'corrupt')
      return this.#ways[way].suffer(fault);
    for (const one of Object.values(this.#ways)) one.suffer(fault);
  }

  /** Strikes when that many octets more have gone up. */
  strikeAfter(octets: number, fault: Exclude<Fault, 'refuse'>): void {
    this.#ways.up.after(octets, () => this.strike(fault, 'up'));
  }

  reset(): void {
    // Node 24 never lets go of a socket that is reset while its FIN is on the way, and hangs when it ends.
    if (this.near.writableEnded) this.near.destroy();
    else this.near.resetAndDestroy();
    this.far.destroy();
  }
}

/** What one side says to the other. */
class OneWay {
  readonly #from: Socket;
  readonly #to: Socket;
  #fault: Exclude<Fault, 'refuse' | 'reset'> | undefined;
  #passed: Promise<void> = Promise.resolve();
  #trigger: { left: number; readonly act: () => void } | undefined;

  constructor(from: Socket, to: Socket, watch: (piece: Buffer) => void) {
    this.#from = from;
    this.#to = to;
    from.on('data', (piece: Buffer) => {
      watch(piece);
      this.#count(piece.length);
      this.#enqueue(async () => this.#pass(piece));
    });
    from.on('end', () => this.#enqueue(async () => void (this.#fault === 'blackhole' || to.end())));
  }

  suffer(fault: Exclude<Fault, 'refuse' | 'reset'>): void {
    this.#fault = fault;
    if (fault === 'half-close') this.#to.end();
  }

  after(octets: number, act: () => void): void {
    this.#trigger = { left: octets, act };
  }

  #count(octets: number): void {
    const trigger = this.#trigger;
    if (trigger === undefined) return;
    trigger.left -= octets;
    if (trigger.left > 0) return;
    this.#trigger = undefined;
    trigger.act();
  }

  #enqueue(act: () => Promise<void>): void {
    this.#passed = this.#passed.then(act);
  }

  async #pass(piece: Buffer): Promise<void> {
    switch (this.#fault) {
      case undefined:
        return this.#write(piece);
      case 'blackhole':
      case 'half-close':
        return;
      case 'delay':
        await delay(DELAY_MS);
        return this.#write(piece);
      case 'throttle':
        for (let at = 0; at < piece.length; at += SLICE_OCTETS) {
          this.#write(piece.subarray(at, at + SLICE_OCTETS));
          await delay(SLICE_MS);
        }
        return;
      case 'truncate':
        this.#write(piece.subarray(0, piece.length >> 1));
        this.#to.end();
        this.#from.end();
        this.#fault = 'half-close';
        return;
      case 'corrupt':
        this.#write(garbled(piece));
        this.#fault = undefined;
    }
  }

  #write(piece: Buffer): void {
    if (this.#to.writable) this.#to.write(piece);
  }
}

/** Its second half with every bit turned over. */
function garbled(piece: Buffer): Buffer {
  const half = piece.length >> 1;
  return Buffer.concat([piece.subarray(0, half), piece.subarray(half).map((octet) => octet ^ 0xff)]);
}
