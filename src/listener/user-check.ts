/**
 * Whether what a client presents belongs to one of the users.
 *
 * Guarantees: a name that nobody has costs as much as one that somebody has; few passwords are hashed at once, however
 * many clients guess; digests and secrets are compared in constant time.
 * A password that was right counts without another hashing for a while, because legacy clients log in for each message.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

import { KeyedDigest } from '../relay/keyed-digest.ts';
import { RecentMap } from '../relay/recent-map.ts';
import { Gate } from './gate.ts';
import { isPasswordOf, unmatchable, type PasswordHash } from './password-hash.ts';
import type { Proof } from './sasl-exchange.ts';
import type { ClientUsers } from './user-file.ts';

/** Each takes one of Node's four threads for such work, which DNS and files need too. */
const HASHED_AT_ONCE = 2;
const WAITING = 200;

const REMEMBERED_MS = 600_000;
const MAX_REMEMBERED = 1_000;

export type UserVerdict = 'right' | 'wrong' | 'not-admitted' | 'overloaded';

export class UserCheck {
  readonly #users: ClientUsers;
  readonly #hashes: readonly PasswordHash[];
  readonly #gate = new Gate(HASHED_AT_ONCE, WAITING);
  readonly #digests = new KeyedDigest();
  /** Of name and password, when they were right. */
  readonly #right = new RecentMap<true>(MAX_REMEMBERED);

  constructor(users: ClientUsers) {
    this.#users = users;
    const hashes = [...users.values()].flatMap((kept) => (kept.kind === 'hash' ? [kept.hash] : []));
    this.#hashes = hashes.length > 0 ? hashes : [unmatchable()];
  }

  /** Whether some user's secret is known, which CRAM-MD5 needs. */
  get knowsSecret(): boolean {
    return [...this.#users.values()].some(({ kind }) => kind === 'plain');
  }

  /**
   * @param isAdmitted asked when the turn has come
   * @param signal aborts when the client is gone: nothing is hashed for it then
   */
  async judge(proof: Proof, isAdmitted: () => boolean, signal: AbortSignal): Promise<UserVerdict> {
    if (!isAdmitted()) return 'not-admitted';
    if (proof.by === 'digest') return this.#isDigestRight(proof) ? 'right' : 'wrong';
    const { user } = proof;
    const password = proof.password.reveal();
    const id = this.#digests.of(user, password);
    if (this.#right.has(id)) return 'right';
    const verdict = await this.#gate.through(async () => {
      if (signal.aborted) return 'overloaded';
      if (!isAdmitted()) return 'not-admitted';
      return (await this.#isPasswordRight(user, password)) ? 'right' : 'wrong';
    });
    if (verdict === 'right') this.#right.set(id, true, REMEMBERED_MS);
    return verdict ?? 'overloaded';
  }

  async #isPasswordRight(user: string, password: string): Promise<boolean> {
    const kept = this.#users.get(user);
    if (kept?.kind === 'hash') return isPasswordOf(password, kept.hash);
    await isPasswordOf(password, this.#hashFor(user)); // for its cost alone
    return kept !== undefined && isSame(password, kept.secret.reveal());
  }

  #isDigestRight({ user, challenge, digest }: Proof & { readonly by: 'digest' }): boolean {
    const kept = this.#users.get(user);
    const secret = kept?.kind === 'plain' ? kept.secret.reveal() : '';
    const right = createHmac('md5', secret).update(challenge).digest('hex');
    return isSame(digest, right) && kept?.kind === 'plain';
  }

  /** For a name without a hash: one of those there are, always the same, so that its cost tells nothing. */
  #hashFor(user: string): PasswordHash {
    const number = Buffer.from(this.#digests.of(user), 'base64').readUInt32BE();
    return this.#hashes[number % this.#hashes.length] ?? unmatchable();
  }
}

/** Whatever their lengths. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
