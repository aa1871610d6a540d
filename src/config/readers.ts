/**
 * From the text of a variable to its value; each reader throws an error that says what the text should be.
 */
import { readFileSync } from 'node:fs';
import { isIP, isIPv6 } from 'node:net';

import { Secret } from '../protocol/secret.ts';
import type { Address } from '../listener/listener.ts';
import { parseResolverAddress } from '../dns/resolver-address.ts';
import { referenceIdentifier, type ReferenceIdentifier } from '../tls/reference-identifier.ts';
import { parseCiphers, parseGroups } from '../tls/strength.ts';
import { parseAnchors } from '../tls/trust.ts';
import { MECHANISM_NAMES, type MechanismName } from '../upstream/sasl/mechanism.ts';
import { parsePins } from './pin-list.ts';
import { parseProvider } from './provider.ts';
import { checkSaslText } from './sasl-text.ts';
import { parseUpstreams } from './upstream-list.ts';

/** Given to env-var, whose own readers serve the rest. */
export const readers = {
  asUpstreams: parseUpstreams,
  asPins: parsePins,
  asProvider: parseProvider,

  asSaslText: checkSaslText,

  asSecret(text: string): Secret {
    return new Secret(checkSaslText(text));
  },

  asAddress: parseAddress,

  /** Several, separated by commas. */
  asAddresses(text: string): readonly Address[] {
    return text.split(',').map(parseAddress);
  },

  /** CIDRs; several separated by commas or blanks. */
  asNetworks(text: string): readonly string[] {
    const networks = text.split(/[\s,]+/).filter((one) => one !== '');
    if (networks.length === 0) throw new Error('should be CIDRs, such as 192.168.1.0/24');
    return networks.map(checkNetwork);
  },

  /** @returns milliseconds */
  asSeconds(text: string): number {
    const seconds = Number(text);
    if (!/^\d{1,6}(\.\d{1,3})?$/.test(text) || seconds <= 0)
      throw new Error('should be a number of seconds above 0');
    return seconds * 1_000;
  },

  /** A whole number. */
  asCount(text: string, least: number): number {
    if (!/^\d{1,6}$/.test(text) || Number(text) < least)
      throw new Error(`should be a whole number, ${least} or more`);
    return Number(text);
  },

  asOctets(text: string): number {
    if (!/^[1-9]\d{0,14}$/.test(text)) throw new Error('should be a number of octets above 0');
    return Number(text);
  },

  /** A domain or an address literal, as EHLO takes it. */
  asHostname(text: string): string {
    const literal = /^\[(?:IPv6:)?([^\]]*)\]$/i.exec(text)?.[1];
    if (literal !== undefined && isIP(literal) !== 0) return text;
    const reference = referenceIdentifier(text);
    if (reference?.kind !== 'dns') throw new Error('should be a host name, best with its domain');
    return reference.name;
  },

  /** Other words than the documented ones that people write. */
  asSwitch(text: string): boolean {
    if (/^(?:on|true|yes|1)$/i.test(text)) return true;
    if (/^(?:off|false|no|0)$/i.test(text)) return false;
    throw new Error('should be on or off');
  },

  asReference(text: string): ReferenceIdentifier {
    const reference = referenceIdentifier(text);
    if (reference === undefined) throw new Error('should be a host name or an IP address');
    return reference;
  },

  asCiphers: parseCiphers,
  asGroups: parseGroups,
  asResolver: parseResolverAddress,

  /** SASL mechanisms, separated by commas or blanks. */
  asMechanisms(text: string): readonly MechanismName[] {
    const words = text.split(/[\s,]+/).filter((word) => word !== '');
    const found = words.map((word) => MECHANISM_NAMES.find((name) => name === word.toUpperCase()));
    const known = found.filter((one) => one !== undefined);
    if (known.length === 0 || known.length !== words.length)
      throw new Error(`should be a list out of ${MECHANISM_NAMES.join(' ')}`);
    return known;
  },

  /** The certificates of a PEM file. */
  asAnchorFile(path: string): readonly string[] {
    const pem = readText(path);
    try {
      return parseAnchors(pem);
    } catch (error) {
      throw new Error(`should name a file of PEM certificates; this one ${reasonOf(error)}`, {
        cause: error,
      });
    }
  },

  asTextFile: readText,
  asOctetFile: readOctets,
};

/** @throws {Error} that says why the file cannot be read, without its name's value */
export function readText(path: string): string {
  return readOctets(path).toString('utf8');
}

function readOctets(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`should name a readable file (${reasonOf(error)})`, { cause: error });
  }
}

/** `host:port` or `[::1]:port`. */
function parseAddress(text: string): Address {
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = bracketed ?? plain ?? '';
  const isHost = bracketed === undefined ? referenceIdentifier(host) !== undefined : isIPv6(host);
  if (!isHost || Number(port) > 65_535) throw new Error('should be host:port, with a port of 0 to 65535');
  return { host, port: Number(port) };
}

/** @throws {Error} that says what a network should be */
export function checkNetwork(network: string): string {
  const [address = '', bits, ...more] = network.split('/');
  if (/^::ffff:/i.test(address))
    throw new Error('should have IPv4 networks in their own form, such as 192.168.1.0/24');
  const longest = { 4: 32, 6: 128 }[isIP(address)];
  const isNetwork =
    longest !== undefined && more.length === 0 && (bits === undefined || /^\d{1,3}$/.test(bits));
  if (!isNetwork || Number(bits ?? 0) > longest) throw new Error('should be CIDRs, such as 192.168.1.0/24');
  if (bits !== undefined && Number(bits) === 0) {
    throw new Error('should not admit everybody: that is an open relay; name the networks of your clients');
  }
  return network;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'cannot be read';
  return 'code' in error ? String(error.code) : error.message;
}
