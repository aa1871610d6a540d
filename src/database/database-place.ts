/**
 * Reads a `postgres://` URL: which database, and how it is reached.
 *
 * Guarantees: a socket of this machine, loopback, or TLS with the server's name verified; there is no form for less.
 * Nothing but the URL has a say. No text of it is in an error.
 */
import { isIPv6 } from 'node:net';

import { Secret } from '../protocol/secret.ts';
import { isLoopback } from '../tls/loopback.ts';
import {
  identifierText,
  referenceIdentifier,
  type ReferenceIdentifier,
} from '../tls/reference-identifier.ts';

export type DatabaseWay =
  | { readonly kind: 'socket'; readonly path: string }
  /** In clear; the addresses are of loopback. */
  | { readonly kind: 'loopback'; readonly addresses: readonly string[]; readonly port: number }
  | { readonly kind: 'tls'; readonly reference: ReferenceIdentifier; readonly port: number };

export interface DatabasePlace {
  readonly way: DatabaseWay;
  readonly user: string;
  /** Undefined where the server knows us by our socket. */
  readonly password: Secret | undefined;
  readonly database: string;
}

const FORM =
  /^postgres(?:ql)?:\/\/(?:([^@/?#:]*)(?::([^@/?#]*))?@)?([^@/?#:[\]]*|\[[^\]]*\])(?::(\d{1,5}))?(?:\/([^/?#]*))?(?:\?([^?#]*))?$/;

const EXAMPLE = 'postgres://user:password@host:5432/database';
const DEFAULT_PORT = 5_432;
const LOCALHOST = ['127.0.0.1', '::1'];

/** @throws {Error} that says what it should be */
export function parseDatabasePlace(text: string): DatabasePlace {
  const found = FORM.exec(text);
  if (found === null)
    throw new Error(
      `should be such as ${EXAMPLE}; what is special in a password is percent-encoded (@ is %40, / is %2F)`,
    );
  const [, user = '', password, host = '', port = '', database = '', options = ''] = found;
  if (user === '') throw new Error(`should have a user: ${EXAMPLE}`);
  const way = wayOf(decoded(host), portNumber(port), optionsOf(options));
  return {
    way,
    user: decoded(user),
    password: password === undefined ? undefined : new Secret(decoded(password)),
    database: decoded(database === '' ? user : database),
  };
}

/** For people, without the password. */
export function showDatabasePlace({ way, user, password, database }: DatabasePlace): string {
  const secret = password === undefined ? '' : ':[secret]';
  return `postgres://${encodeURIComponent(user)}${secret}@${wayText(way)}/${encodeURIComponent(database)}`;
}

function wayText(way: DatabaseWay): string {
  if (way.kind === 'socket') return encodeURIComponent(way.path);
  const host = way.kind === 'loopback' ? (way.addresses[0] ?? '') : identifierText(way.reference);
  return `${isIPv6(host) ? `[${host}]` : host}:${way.port}`;
}

interface Options {
  /** The directory of a socket. */
  readonly directory: string | undefined;
  readonly mustVerify: boolean;
}

function optionsOf(text: string): Options {
  const options = new URLSearchParams(text);
  for (const name of options.keys())
    if (name !== 'host' && name !== 'sslmode')
      throw new Error(
        'should have no other option behind ? than host=, for the directory of a socket, and sslmode=verify-full; trust anchors are named by SEALPOST_TLS_CA_FILE',
      );
  const mode = options.get('sslmode') ?? undefined;
  if (mode !== undefined && mode !== 'verify-full')
    throw new Error(
      'should have no sslmode but verify-full: beyond a socket of this machine and loopback the server always has to prove its name inside TLS',
    );
  return { directory: options.get('host') ?? undefined, mustVerify: mode !== undefined };
}

function wayOf(host: string, port: number, { directory, mustVerify }: Options): DatabaseWay {
  if (directory !== undefined && host !== '')
    throw new Error('should have a host either before the database or behind ?, not both');
  const place = directory ?? host;
  if (place.startsWith('/')) {
    if (mustVerify) throw new Error('should have no sslmode: there is no TLS on a socket of this machine');
    return { kind: 'socket', path: `${place.replace(/\/+$/, '')}/.s.PGSQL.${port}` };
  }
  if (directory !== undefined) throw new Error('should have the directory of a socket behind host=');
  const reference = referenceIdentifier(place);
  if (reference === undefined)
    throw new Error('should have one host: a name, an address, or the directory of a socket');
  const literal = identifierText(reference);
  const isLocalhost = literal === 'localhost';
  if (mustVerify || !(isLocalhost || isLoopback(literal))) return { kind: 'tls', reference, port };
  return { kind: 'loopback', addresses: isLocalhost ? LOCALHOST : [literal], port };
}

function decoded(text: string): string {
  let found: string;
  try {
    found = decodeURIComponent(text);
  } catch {
    throw new Error('should have every % followed by two hexadecimal digits');
  }
  if (found.includes('\0')) throw new Error('should have no NUL');
  return found;
}

function portNumber(text: string): number {
  const port = text === '' ? DEFAULT_PORT : Number(text);
  if (port < 1 || port > 65_535) throw new Error('should have a port from 1 to 65535');
  return port;
}
