/**
 * Reads SEALPOST_UPSTREAM: where mail goes, in order of preference.
 *
 * Guarantees: no form of it means clear text; errors never repeat the entry, which may hold a password.
 */
import { Secret } from '../protocol/secret.ts';
import { referenceIdentifier, type ReferenceIdentifier } from '../tls/reference-identifier.ts';
import type { Pins } from '../tls/peer-identity.ts';
import type { Endpoint, Place } from '../upstream/target.ts';
import { parsePins } from './pin-list.ts';
import { checkSaslText } from './sasl-text.ts';

/** One entry, before what is configured for all entries is added. */
export interface UpstreamEntry {
  readonly place: Place;
  readonly login: Login | undefined;
  readonly pins: Pins | undefined;
  readonly serverName: ReferenceIdentifier | undefined;
}

export interface Login {
  readonly user: string;
  readonly password: Secret;
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
  const { scheme, rest } = schemeOf(text);
  const url = parseUrl(`smtp://${rest}`);
  if (!/^\/?$/.test(url.pathname) || url.hash !== '') throw new Error('should have no path');
  const reference = hostOf(url);
  const place = scheme === 'srv' ? srvPlace(reference, url.port) : hostPlace(reference, scheme, url.port);
  return { place, login: loginOf(url), ...optionsOf(url) };
}

type Scheme = 'smtp' | 'smtps' | 'srv' | undefined;

/** `srv:587` is port 587 of a host that is called so. */
function schemeOf(text: string): { readonly scheme: Scheme; readonly rest: string } {
  const [, domain] = /^srv:(?:\/\/)?(?!\d+$)(.*)$/i.exec(text) ?? [];
  if (domain !== undefined) return { scheme: 'srv', rest: domain };
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text) ?? [];
  switch (scheme?.toLowerCase()) {
    case undefined:
      return { scheme: undefined, rest: text };
    case 'smtp':
      return { scheme: 'smtp', rest: rest ?? '' };
    case 'smtps':
      return { scheme: 'smtps', rest: rest ?? '' };
    default:
      throw new Error(
        'the scheme should be smtps:// (TLS at once), smtp:// (required STARTTLS) or srv: (DNS says)',
      );
  }
}

/** An IDN comes percent-encoded. */
function hostOf({ hostname }: URL): ReferenceIdentifier {
  let reference: ReferenceIdentifier | undefined;
  try {
    reference = referenceIdentifier(decodeURIComponent(hostname));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  if (reference === undefined) throw new Error('should have a host name or an IP address');
  return reference;
}

function hostPlace(reference: ReferenceIdentifier, scheme: Exclude<Scheme, 'srv'>, port: string): Place {
  return { kind: 'host', reference, endpoints: endpointsOf(scheme, port) };
}

function srvPlace(reference: ReferenceIdentifier, port: string): Place {
  if (reference.kind !== 'dns' || port !== '') throw new Error('srv: should be followed by a domain alone');
  return { kind: 'srv', domain: reference };
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new Error(
      'should be smtps://host, smtp://host, host or srv:domain; special characters in a password are written %XX',
    );
  }
}

function endpointsOf(scheme: Exclude<Scheme, 'srv'>, port: string): readonly [Endpoint, ...Endpoint[]] {
  if (port === '0') throw new Error('the port should be 1 to 65535');
  if (scheme === 'smtps') return [{ tls: 'implicit', port: port === '' ? 465 : Number(port) }];
  if (scheme === 'smtp') return [{ tls: 'starttls', port: port === '' ? 587 : Number(port) }];
  if (port === '') return [SUBMISSIONS, SUBMISSION];
  if (port === '465') return [SUBMISSIONS];
  if (port === '587') return [SUBMISSION];
  throw new Error('a port other than 465 and 587 needs smtps:// or smtp:// before the host');
}

function loginOf({ username, password }: URL): Login | undefined {
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
  let pins: Pins | undefined;
  let serverName: ReferenceIdentifier | undefined;
  // Not URLSearchParams: it makes a blank of the `+` that base64 has.
  for (const option of search
    .slice(1)
    .split('&')
    .filter((one) => one !== '')) {
    const name = option.slice(0, option.indexOf('='));
    const value = decode(option.slice(name.length + 1));
    if (name === 'pin') pins = pins === undefined ? parsePins(value) : [...pins, ...parsePins(value)];
    else if (name === 'server-name') {
      if (serverName !== undefined) throw new Error('server-name should be given once');
      serverName = referenceIdentifier(value);
      if (serverName === undefined) throw new Error('server-name should be a host name or an IP address');
    } else throw new Error('the options after ? should be pin= and server-name=');
  }
  return { pins, serverName };
}
