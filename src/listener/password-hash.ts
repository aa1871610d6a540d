/**
 * Passwords of clients as they are kept: scrypt (RFC 7914) in the string format of the Password Hashing Competition,
 * `$scrypt$ln=15,r=8,p=3$SALT$HASH`, salt and hash in base64 without padding.
 *
 * Guarantees: parameters that are too weak, or that would take more memory or time than a login may cost, are refused
 * when they are read; hashing is done off the main thread; hashes are compared in constant time.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

export interface PasswordHash {
  /** Binary logarithm of N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 32 MiB, and a quarter of a second of one processor. */
const OURS = { ln: 15, r: 8, p: 3 } as const;
const SALT_OCTETS = 16;
const HASH_OCTETS = 32;

/** Of N · r · p, to which the time is proportional; the memory is 128 · N · r octets. */
const LEAST_WORK = 2 ** 17;
const MOST_WORK = 2 ** 21;
const MOST_MEMORY = 128 * 1024 * 1024;

const FORM =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(SALT_OCTETS);
  const hash = await derive(password, { ...OURS, salt }, HASH_OCTETS);
  return { ...OURS, salt, hash };
}

export async function isPasswordOf(password: string, kept: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, kept, kept.hash.length), kept.hash);
}

export function formatHash({ ln, r, p, salt, hash }: PasswordHash): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** @throws {Error} that says what is wrong, without any of the text */
export function parseHash(text: string): PasswordHash {
  const [, ln = '', r = '', p = '', salt = '', hash = ''] = FORM.exec(text) ?? [];
  if (hash === '') throw new Error('should have a hash as `sealpost hash-password` prints it');
  const parsed = {
    ln: Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
  const work = 2 ** parsed.ln * parsed.r * parsed.p;
  if (work < LEAST_WORK) throw new Error('has a hash with parameters that are too weak');
  // RFC 7914 §2: N is less than 2^(128 · r / 8).
  if (parsed.ln >= 16 * parsed.r) throw new Error('has a hash with parameters that scrypt does not allow');
  if (work > MOST_WORK || 128 * 2 ** parsed.ln * parsed.r > MOST_MEMORY)
    throw new Error('has a hash with parameters that cost too much time or memory');
  return parsed;
}

/** Like any, and the hash of no password: checking against it costs the same. */
export function unmatchable(): PasswordHash {
  return { ...OURS, salt: randomBytes(SALT_OCTETS), hash: randomBytes(HASH_OCTETS) };
}

async function derive(
  password: string,
  { ln, r, p, salt }: Omit<PasswordHash, 'hash'>,
  octets: number,
): Promise<Buffer> {
  const options = { N: 2 ** ln, r, p, maxmem: 2 * MOST_MEMORY };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, octets, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function unpadded(octets: Buffer): string {
  return octets.toString('base64').replace(/=+$/, '');
}
