/**
 * Whose an address is: one who has an IPv6 address has 2^64 of them.
 */
import { isIPv6 } from 'node:net';

/** The address itself, or the /64 that it is in. */
export function networkOf(address: string): string {
  const [, ipv4] = /^::ffff:([0-9.]+)$/i.exec(address) ?? []; // as a socket for both families says it
  if (ipv4 !== undefined || !isIPv6(address)) return ipv4 ?? address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const words = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - words.length - after.length;
  return [...words, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':');
}
