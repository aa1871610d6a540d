/**
 * The file of the users that clients may log in as: a line `name:hash` each, or `name:{PLAIN}secret` for clients that
 * know nothing but CRAM-MD5, which needs the secret itself. Empty lines, and lines that begin with `#`, do not count.
 *
 * Guarantees: what is wrong is told by line number, and never shows a hash or a secret.
 */
import { Secret } from '../protocol/secret.ts';
import { parseHash, type PasswordHash } from './password-hash.ts';

/** How one user's password is kept. */
export type KeptPassword =
  | { readonly kind: 'hash'; readonly hash: PasswordHash }
  | { readonly kind: 'plain'; readonly secret: Secret };

/** By name, at least one. */
export type ClientUsers = ReadonlyMap<string, KeptPassword>;

const PLAIN = '{PLAIN}';
const NAME_OCTETS = 255;

/** @throws {Error} that lists all problems */
export function parseUserFile(text: string): ClientUsers {
  const users = new Map<string, KeptPassword>();
  const problems: string[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    try {
      addUser(users, line);
    } catch (error) {
      problems.push(`line ${index + 1} ${error instanceof Error ? error.message : 'cannot be read'}`);
    }
  }
  if (problems.length > 0) throw new Error(`names a file with faults: ${problems.join('; ')}`);
  if (users.size === 0) throw new Error('should name a file with at least one user');
  return users;
}

function addUser(users: Map<string, KeptPassword>, line: string): void {
  if (line.includes('\ufffd')) throw new Error('has octets that are not UTF-8'); // as reading them left it
  const at = line.indexOf(':');
  if (at < 0) throw new Error('should be name:hash');
  const name = line.slice(0, at).trim();
  if (!isUserName(name)) throw new Error('should begin with a name, without control characters');
  if (users.has(name)) throw new Error('has a name that stands there already');
  const kept = line.slice(at + 1);
  users.set(name, kept.startsWith(PLAIN) ? plain(kept.slice(PLAIN.length)) : hashed(kept.trim()));
}

/** Also what `sealpost hash-password` takes. */
export function isUserName(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= NAME_OCTETS && !/[\p{Cc}:]/u.test(name);
}

function hashed(text: string): KeptPassword {
  return { kind: 'hash', hash: parseHash(text) };
}

function plain(secret: string): KeptPassword {
  if (secret === '') throw new Error('has an empty secret');
  return { kind: 'plain', secret: new Secret(secret) };
}
