/**
 * Reads SEALPOST_DNS_RESOLVER: the one resolver whose AD bit is believed.
 *
 * Guarantees: clear text goes to loopback only; anything farther away is DNS over TLS (RFC 7858) with a name to verify.
 */
import { BlockList, isIPv6 } from 'node:net';

import { isLoopback } from '../tls/loopback.ts';
import {
  identifierText,
  referenceIdentifier,
  type ReferenceIdentifier,
} from '../tls/reference-identifier.ts';

export type ResolverAddress =
  /** UDP and TCP; `host` is an address of loopback. */
  | { readonly kind: 'plain'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'tls';
      readonly host: string;
      readonly port: number;
      readonly reference: ReferenceIdentifier;
    };

const FORMS = 'should be a loopback address such as 127.0.0.1 or [::1]:53, or tls://host for DNS over TLS';
const OPTIONS = 'the only option after ? is server-name=, once, a host name or an IP address';

const CONTAINER_FORWARDER = new BlockList();
CONTAINER_FORWARDER.addAddress('127.0.0.11', 'ipv4');

/** @throws {Error} whose text continues "SEALPOST_DNS_RESOLVER " */
export function parseResolverAddress(text: string): ResolverAddress {
  if (/[\s\p{Cc}]/u.test(text)) throw new Error('should have no blank, line end or control character');
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return plainAddress(text);
  if (scheme !== 'tls') throw new Error(`${FORMS}; there is no other scheme`);
  return tlsAddress(text);
}

function plainAddress(text: string): ResolverAddress {
  const { host, port } = splitPort(text);
  if (host === '') throw new Error(FORMS);
  const family = isIPv6(host) ? 'ipv6' : 'ipv4';
  if (!isLoopback(host)) {
    throw new Error(
      'should be tls://host: DNS to anything but a loopback address must go by TLS, because answers in clear can be forged',
    );
  }
  if (CONTAINER_FORWARDER.check(host, family)) {
    throw new Error(
      "should not be 127.0.0.11: a container engine's forwarder validates nothing and passes answers on in clear; name a validating resolver of your own on loopback, or tls://host",
    );
  }
  return { kind: 'plain', host, port: portNumber(port, 53) };
}

/** `address`, `address:port`, `[address]`, `[address]:port`; more than one colon without brackets is an IPv6 address. */
function splitPort(text: string): { host: string; port: string } {
  if (isIPv6(text)) return { host: text, port: '' };
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]+))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return { host: isIPv6(bracketed) ? bracketed : '', port };
  return { host: plain, port };
}

function tlsAddress(text: string): ResolverAddress {
  const url = parseUrl(text);
  if (url.username !== '' || url.password !== '') throw new Error('should have no user and no password');
  if (!/^\/?$/.test(url.pathname) || url.hash !== '') throw new Error('should have no path after tls://host');
  const host = referenceIdentifier(decode(url.hostname));
  if (host === undefined) throw new Error('should have a host name or an IP address after tls://');
  return {
    kind: 'tls',
    host: identifierText(host),
    port: portNumber(url.port, 853),
    reference: serverName(url.search) ?? host,
  };
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (error) {
    throw new Error('should be tls://host or tls://host:port, the port 1 to 65535', { cause: error });
  }
}

function serverName(search: string): ReferenceIdentifier | undefined {
  if (search === '') return undefined;
  const value = /^\?server-name=([^&=]+)$/.exec(search)?.[1];
  const reference = value === undefined ? undefined : referenceIdentifier(decode(value));
  if (reference === undefined) throw new Error(`is not understood: ${OPTIONS}`);
  return reference;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new Error('should have every % followed by two hexadecimal digits', { cause: error });
  }
}

function portNumber(text: string, otherwise: number): number {
  if (text === '') return otherwise;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new Error('should have a port from 1 to 65535');
  return port;
}
