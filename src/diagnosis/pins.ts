/**
 * The keys that were seen, for SEALPOST_TLS_PIN_SHA256.
 */
import type { LookFinding } from './findings.ts';

/** In the order of the ports. */
export function distinctPins(looks: readonly LookFinding[]): readonly string[] {
  return [...new Set(looks.map(({ handshake }) => handshake?.pin).filter((pin) => pin !== undefined))];
}

/** For people, where there are none. */
export function whyNoPin(looks: readonly LookFinding[]): string {
  const reasons = looks.map(({ tcp, speaks }) => {
    if (tcp === undefined) return 'the name was not found';
    if ('reason' in tcp) return `no connection (${tcp.reason})`;
    return speaks === 'nothing' ? 'the port is silent' : 'no TLS handshake came to its end';
  });
  return reasons.length === 0 ? 'there is no port to look at' : [...new Set(reasons)].join(', ');
}
