/**
 * The header that a balancer puts in front of a connection: the PROXY protocol, versions 1 and 2 (HAProxy's
 * proxy-protocol.txt §2).
 *
 * Guarantees: pure; bounded; either a whole header and what came behind it, or a fault, or more is wanted.
 */
import { isIPv4, isIPv6 } from 'node:net';

export interface ProxyHeader {
  /** IP address of the client; undefined where the balancer speaks for itself (a health check) or does not say. */
  readonly client: string | undefined;
  /** Octets of the header. */
  readonly length: number;
}

export type ProxyFault = 'no-proxy-header' | 'malformed-proxy-header';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** §2.1: the longest header of version 1, CRLF included. */
const TEXT_OCTETS = 107;
const TEXT_START = Buffer.from('PROXY ', 'latin1');
/** §2.2: signature, version and command, family, length. */
const FIXED_OCTETS = 16;
/** §2.2: what is beyond these in either half of the family octet is invalid. */
const LAST_FAMILY = 0x3;
const LAST_TRANSPORT = 0x2;
/** Addresses take 216 at most; what a balancer adds about TLS and names is short. */
const REST_OCTETS = 4_096;

/** @param octets of the connection from its beginning @returns undefined when the header is not whole yet */
export function readProxyHeader(octets: Buffer): ProxyHeader | ProxyFault | undefined {
  if (begins(octets, SIGNATURE)) return octets.length < FIXED_OCTETS ? undefined : binaryHeader(octets);
  if (begins(octets, TEXT_START)) return textHeader(octets);
  return 'no-proxy-header';
}

/** Whether the one is a beginning of the other, whichever is shorter. */
function begins(octets: Buffer, start: Buffer): boolean {
  const length = Math.min(octets.length, start.length);
  return octets.subarray(0, length).equals(start.subarray(0, length));
}

/** §2.1. `PROXY TCP4 192.0.2.1 198.51.100.1 56324 25`, or `PROXY UNKNOWN` and anything. */
function textHeader(octets: Buffer): ProxyHeader | ProxyFault | undefined {
  const end = octets.subarray(0, TEXT_OCTETS).indexOf('\r\n');
  if (end < 0) return octets.length < TEXT_OCTETS ? undefined : 'malformed-proxy-header';
  const text = octets.toString('latin1', TEXT_START.length, end);
  const length = end + 2;
  if (/^UNKNOWN(?: |$)/.test(text)) return { client: undefined, length };
  const [, family, source = '', destination = '', ...ports] = TEXT.exec(text) ?? [];
  const isAddress = family === '4' ? isIPv4 : isIPv6;
  const isWhole = [source, destination].every(isAddress) && ports.every((port) => Number(port) <= 65_535);
  return isWhole ? { client: family === '4' ? source : ipv6Text(source), length } : 'malformed-proxy-header';
}

const TEXT = /^TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})$/;

/** §2.2. */
function binaryHeader(octets: Buffer): ProxyHeader | ProxyFault | undefined {
  const version = octets.readUInt8(12) >> 4;
  const command = octets.readUInt8(12) & 0x0f;
  const family = octets.readUInt8(13);
  const rest = octets.readUInt16BE(14);
  const length = FIXED_OCTETS + rest;
  if (version !== 2 || command > 1 || rest > REST_OCTETS) return 'malformed-proxy-header';
  if (octets.length < length) return undefined;
  if (command === 0) return { client: undefined, length }; // LOCAL
  return clientOf(family, octets.subarray(FIXED_OCTETS, length), length);
}

/** @param family address family and transport; what is neither TCP over IPv4 nor over IPv6 names no client */
function clientOf(family: number, rest: Buffer, length: number): ProxyHeader | ProxyFault {
  if (family >> 4 > LAST_FAMILY || (family & 0x0f) > LAST_TRANSPORT) return 'malformed-proxy-header';
  switch (family) {
    case 0x11:
      return rest.length < 12
        ? 'malformed-proxy-header'
        : { client: [...rest.subarray(0, 4)].join('.'), length };
    case 0x21:
      return rest.length < 36
        ? 'malformed-proxy-header'
        : { client: ipv6Text(groupsOf(rest.subarray(0, 16))), length };
    default:
      return { client: undefined, length };
  }
}

function groupsOf(octets: Buffer): string {
  return Array.from({ length: 8 }, (_, at) => octets.readUInt16BE(at * 2).toString(16)).join(':');
}

/** As the URL standard writes it, which is RFC 5952's form; an IPv4 address that was mapped (RFC 4291 §2.5.5.2) as such. */
function ipv6Text(address: string): string {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, ...mapped] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(text) ?? [];
  if (mapped.length === 0) return text;
  return mapped
    .map((group) => parseInt(group, 16))
    .map((word) => `${word >> 8}.${word & 0xff}`)
    .join('.');
}
