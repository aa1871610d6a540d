/**
 * The server's side of SCRAM (RFC 5802), written from its equations and apart from the relay's: it keeps StoredKey and
 * ServerKey only, and derives them by hand.
 */
import { createHash, createHmac } from 'node:crypto';

export interface ScramAccount {
  readonly hash: 'sha1' | 'sha256';
  /** Prepared already (RFC 4013). */
  readonly password: string;
  /** 4096 by default. */
  readonly iterations?: number;
  /** What the session is bound to, for a -PLUS form. */
  readonly binding?: { readonly type: string; readonly data: Buffer };
}

/** What the client's first message says, taken apart. */
export interface ClientFirst {
  /** gs2 header with its commas (RFC 5802 §7). */
  readonly header: string;
  /** As sent, `=2C` and `=3D` in it. */
  readonly name: string;
  readonly nonce: string;
}

export class ScramServer {
  readonly salt = Buffer.from('salt of a server');
  readonly #account: ScramAccount;
  readonly #storedKey: Buffer;
  readonly #serverKey: Buffer;
  #clientFirst: ClientFirst | undefined;
  #nonce = '';
  #clientFirstBare = '';
  #serverFirst = '';

  constructor(account: ScramAccount) {
    const { hash, password, iterations = 4096 } = account;
    this.#account = account;
    const salted = iterated(hash, Buffer.from(password), this.salt, iterations);
    this.#storedKey = createHash(hash)
      .update(keyed(hash, salted, 'Client Key'))
      .digest();
    this.#serverKey = keyed(hash, salted, 'Server Key');
  }

  /** Undefined before `first`. */
  get clientFirst(): ClientFirst | undefined {
    return this.#clientFirst;
  }

  /**
   * Takes the client's first message and gives its own, both base64.
   *
   * @param change alters the message before it is sent; what is signed is the altered one
   */
  first(message: string, change: (text: string, clientNonce: string) => string = (text) => text): string {
    const text = decoded(message);
    const [, header = '', bare = '', name = '', nonce = ''] =
      /^((?:n|y|p=[A-Za-z0-9.-]+),,)(n=([^,]*),r=([^,]*))$/.exec(text) ?? [];
    if (header === '') throw new Error('not a client-first-message');
    this.#clientFirst = { header, name, nonce };
    this.#clientFirstBare = bare;
    const { iterations = 4096 } = this.#account;
    const own = `r=${nonce}server,s=${this.salt.toString('base64')},i=${iterations}`;
    this.#serverFirst = change(own, nonce);
    this.#nonce = /r=([^,]*)/.exec(this.#serverFirst)?.[1] ?? '';
    return encoded(this.#serverFirst);
  }

  /** Takes the client's final message; `v=…` in base64 when its proof and its binding are right, else `e=…`. */
  final(message: string): string {
    const { hash, binding } = this.#account;
    const header = this.#clientFirst?.header ?? '';
    const bound = Buffer.concat([Buffer.from(header), binding?.data ?? Buffer.alloc(0)]);
    const expected = `c=${bound.toString('base64')},r=${this.#nonce}`;
    const [, withoutProof = '', proof = ''] = /^(.*),p=([^,]*)$/.exec(decoded(message)) ?? [];
    if (withoutProof !== expected) return encoded('e=channel-bindings-dont-match');
    const signed = [this.#clientFirstBare, this.#serverFirst, withoutProof].join(',');
    const mask = keyed(hash, this.#storedKey, signed);
    const clientKey = Buffer.from(proof, 'base64').map((octet, at) => octet ^ (mask[at] ?? 0));
    if (!createHash(hash).update(clientKey).digest().equals(this.#storedKey))
      return encoded('e=invalid-proof');
    return encoded(`v=${keyed(hash, this.#serverKey, signed).toString('base64')}`);
  }
}

export function encoded(text: string): string {
  return Buffer.from(text).toString('base64');
}

export function decoded(text: string): string {
  return Buffer.from(text, 'base64').toString();
}

/** Hi() of RFC 5802 §2.2. */
function iterated(hash: string, key: Buffer, salt: Buffer, iterations: number): Buffer {
  let last = keyed(hash, key, Buffer.concat([salt, Buffer.from([0, 0, 0, 1])]));
  const sum = Buffer.from(last);
  for (let round = 1; round < iterations; round += 1) {
    last = keyed(hash, key, last);
    for (let at = 0; at < sum.length; at += 1) sum[at] = (sum[at] ?? 0) ^ (last[at] ?? 0);
  }
  return sum;
}

function keyed(hash: string, key: Buffer, text: Buffer | string): Buffer {
  return createHmac(hash, key).update(text).digest();
}
