/**
 * Digests that stand for a name, or a name and a password, where these must not be kept.
 *
 * Guarantees: the key is this object's own and leaves it never, so that nobody can try what a digest was made of; other
 * parts give another digest.
 */
import { createHmac, randomBytes } from 'node:crypto';

export class KeyedDigest {
  readonly #key = randomBytes(32);

  /** Each part has its length in front: that keeps `a` with `b:c` apart from `a:b` with `c`. */
  of(...parts: readonly string[]): string {
    const hmac = createHmac('sha256', this.#key);
    for (const part of parts) hmac.update(`${part.length}:${part}`);
    return hmac.digest('base64');
  }
}
