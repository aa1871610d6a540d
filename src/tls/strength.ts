/**
 * Versions, suites and groups that RFC 9325 allows for a client: what the operator may choose from, and nothing else.
 */

/** RFC 9325 §3.1.1. */
export const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** RFC 9325 §4.2, for TLS 1.2: forward secrecy and AEAD only. OpenSSL's names, strongest first. */
export const CIPHERS = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
] as const;
export type Cipher = (typeof CIPHERS)[number];

/**
 * OpenSSL's, for certificates (RFC 9325 §4): SHA-1 signatures and weak keys are refused in every one of a chain; spki.ts
 * says more of keys.
 */
export const SECURITY_LEVEL = '@SECLEVEL=2';

/** Groups of which a quantum computer breaks only one half. */
const HYBRIDS = ['X25519MLKEM768', 'SecP256r1MLKEM768', 'SecP384r1MLKEM1024'] as const;
/** RFC 9325 §4.2.1. */
const CLASSICAL = ['X25519', 'P-256', 'X448', 'P-384', 'P-521'] as const;
export const ALLOWED_GROUPS = [...HYBRIDS, ...CLASSICAL] as const;
export type Group = (typeof ALLOWED_GROUPS)[number];

/** Offered unless the operator says otherwise, in order of preference. */
export const GROUPS: readonly Group[] = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521'];

const GROUP_ALIASES: Readonly<Record<string, Group>> = {
  secp256r1: 'P-256',
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

export function isHybrid(group: Group): boolean {
  return HYBRIDS.some((hybrid) => hybrid === group);
}

/** @throws {Error} that says what the list should be */
export function parseCiphers(text: string): readonly Cipher[] {
  return parseList(text, (word) => CIPHERS.find((cipher) => cipher === openSslName(word)), CIPHERS);
}

/** @throws {Error} that says what the list should be */
export function parseGroups(text: string): readonly Group[] {
  return parseList(text, groupNamed, ALLOWED_GROUPS);
}

/** By one of its names, in any case. */
export function groupNamed(word: string): Group | undefined {
  const name = word.toLowerCase();
  return ALLOWED_GROUPS.find((group) => group.toLowerCase() === name) ?? GROUP_ALIASES[name];
}

/** `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is what IANA calls `ECDHE-RSA-AES128-GCM-SHA256`. */
function openSslName(word: string): string {
  const upper = word.toUpperCase();
  if (!upper.startsWith('TLS_')) return upper;
  return upper
    .replace(/^TLS_/, '')
    .replace('_WITH_', '-')
    .replace(/AES_(\d+)/, 'AES$1')
    .replace(/(CHACHA20_POLY1305)_SHA256$/, '$1')
    .replaceAll('_', '-');
}

function parseList<T extends string>(
  text: string,
  find: (word: string) => T | undefined,
  allowed: readonly T[],
): readonly T[] {
  const words = text.split(/[\s:,]+/).filter((word) => word !== '');
  const found = words.map((word) => find(word));
  const known = found.filter((one) => one !== undefined);
  if (known.length === 0 || known.length !== found.length)
    throw new Error(`should be a list out of ${allowed.join(' ')}; RFC 9325 allows no others`);
  return [...new Set(known)];
}
