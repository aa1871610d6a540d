/**
 * A middlebox that is at a loss with a ClientHello longer than one segment, as post-quantum key shares make it.
 */
import { HelloKeeper, type ClientHello } from './client-hello.ts';
import type { Deviation } from './hostile-stage.ts';
import { CLOSE, RESET, type Connection, type SILENCE } from './scripted-upstream.ts';

/** What fits into one TCP segment on an ordinary path. */
export const SEGMENT_OCTETS = 1_400;

/** What the relay gets for a ClientHello that is too long; octets are followed by the end of the connection. */
export type Instead = typeof SILENCE | typeof CLOSE | typeof RESET | Buffer;

/** @param limitOctets 0 keeps every ClientHello from the server */
export function narrowWire(instead: Instead, limitOctets = SEGMENT_OCTETS): Deviation {
  const tamper = new NarrowWire(instead, limitOctets);
  return { tamper, onConnection: (at) => (tamper.connection = at) };
}

class NarrowWire extends HelloKeeper {
  /** The one there is. */
  connection: Connection | undefined;
  readonly #instead: Instead;
  readonly #limitOctets: number;

  constructor(instead: Instead, limitOctets: number) {
    super();
    this.#instead = instead;
    this.#limitOctets = limitOctets;
  }

  protected override pass({ octets }: ClientHello): boolean {
    if (octets <= this.#limitOctets) return true;
    const raw = this.connection?.raw;
    if (this.#instead === RESET) raw?.resetAndDestroy();
    else if (this.#instead === CLOSE) raw?.end();
    else if (Buffer.isBuffer(this.#instead)) raw?.end(this.#instead);
    return false;
  }
}
