/**
 * Reads SEALPOST_UPSTREAM: where mail goes, in order of preference.
 *
 * Guarantees: no form of it means clear text; errors never repeat the entry, which may hold a password.
 */
import { Secret } from '../protocol/secret.ts';
import {
  identifierText,
  referenceIdentifier,
  type ReferenceIdentifier,
} from '../tls/reference-identifier.ts';
import type { Credentials, Endpoint } from '../upstream/target.ts';
import { parsePins } from './pin-list.ts';
import { checkSaslText } from './sasl-text.ts';

/** One entry, before what is configured for all entries is added. */
export interface UpstreamEntry {
  readonly host: string;
  readonly endpoints: readonly [Endpoint, ...Endpoint[]];
  readonly credentials: Credentials | undefined;
  readonly pins: readonly string[] | undefined;
  readonly serverName: ReferenceIdentifier | undefined;
  readonly reference: ReferenceIdentifier;
}

const SUBMISSIONS: Endpoint = { tls: 'implicit', port: 465 }; // RFC 8314 §3.3
const SUBMISSION: Endpoint = { tls: 'starttls', port: 587 };

/** @throws {Error} that says what an entry should be */
export function parseUpstreams(text: string): readonly UpstreamEntry[] {
  const entries = text.split(',').map((entry) => entry.trim());
  return entries.map((entry, index) => {
    try {
      return parseUpstream(entry);
    } catch (error) {
      const which = entries.length > 1 ? `entry ${index + 1}: ` : '';
      throw new Error(which + (error instanceof Error ? error.message : 'cannot be read'), { cause: error });
    }
  });
}

function parseUpstream(text: string): UpstreamEntry {
  // A URL parser drops line ends, which would make one host of two lines.
  if (/\p{Cc}/u.test(text))
    throw new Error('should have no line end or control character; a comma separates entries');
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'smtp' && scheme !== 'smtps') {
    throw new Error('the scheme should be smtps:// (TLS at once) or smtp:// (required STARTTLS)');
  }
  const url = parseUrl(scheme === undefined ? `smtp://${text}` : text);
  const reference = referenceIdentifier(decode(url.hostname)); // an IDN comes percent-encoded
  if (reference === undefined) throw new Error('should have a host name or an IP address');
  if (!/^\/?$/.test(url.pathname) || url.hash !== '') throw new Error('should have no path');
  return {
    host: identifierText(reference),
    endpoints: endpointsOf(scheme, url.port),
    credentials: credentialsOf(url),
    reference,
    ...optionsOf(url),
  };
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new Error(
      'should be smtps://host, smtp://host or host; special characters in a password are written %XX',
    );
  }
}

function endpointsOf(scheme: string | undefined, port: string): readonly [Endpoint, ...Endpoint[]] {
  if (port === '0') throw new Error('the port should be 1 to 65535');
  if (scheme === 'smtps') return [{ tls: 'implicit', port: port === '' ? 465 : Number(port) }];
  if (scheme === 'smtp') return [{ tls: 'starttls', port: port === '' ? 587 : Number(port) }];
  if (port === '') return [SUBMISSIONS, SUBMISSION];
  if (port === '465') return [SUBMISSIONS];
  if (port === '587') return [SUBMISSION];
  throw new Error('a port other than 465 and 587 needs smtps:// or smtp:// before the host');
}

function credentialsOf({ username, password }: URL): Credentials | undefined {
  if (username === '' && password === '') return undefined;
  if (username === '' || password === '')
    throw new Error('should have both a user and a password, or neither');
  return { user: decode(username), password: new Secret(decode(password)) };
}

function decode(text: string): string {
  try {
    return checkSaslText(decodeURIComponent(text));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new Error('user and password should be percent-encoded', { cause: error });
  }
}

function optionsOf({ search }: URL): Pick<UpstreamEntry, 'pins' | 'serverName'> {
  let pins: readonly string[] | undefined;
  let serverName: ReferenceIdentifier | undefined;
  // Not URLSearchParams: it makes a blank of the `+` that base64 has.
  for (const option of search
    .slice(1)
    .split('&')
    .filter((one) => one !== '')) {
    const name = option.slice(0, option.indexOf('='));
    const value = decode(option.slice(name.length + 1));
    if (name === 'pin') pins = [...(pins ?? []), ...parsePins(value)];
    else if (name === 'server-name') {
      serverName = referenceIdentifier(value);
      if (serverName === undefined) throw new Error('server-name should be a host name or an IP address');
    } else throw new Error('the options after ? should be pin= and server-name=');
  }
  return { pins, serverName };
}
