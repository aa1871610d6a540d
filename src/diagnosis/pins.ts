/**
 * The keys that were seen, for SEALPOST_TLS_PIN_SHA256.
 */
import type { ProbeFinding } from './findings.ts';

/** In the order of the ports. */
export function distinctPins(probes: readonly ProbeFinding[]): readonly string[] {
  return [...new Set(probes.map(({ handshake }) => handshake?.pin).filter((pin) => pin !== undefined))];
}

/** For people, where there are none. */
export function whyNoPin(probes: readonly ProbeFinding[]): string {
  const reasons = probes.map(({ tcp, speaks }) => {
    if (tcp === undefined) return 'the name was not found';
    if ('reason' in tcp) return `no connection (${tcp.reason})`;
    if (speaks === 'hangs-up') return 'the port hangs up at once';
    return speaks === 'nothing' ? 'the port is silent' : 'no TLS handshake came to its end';
  });
  return reasons.length === 0 ? 'there is no port to look at' : [...new Set(reasons)].join(', ');
}
