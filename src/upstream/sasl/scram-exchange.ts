/**
 * One SCRAM exchange (RFC 5802, RFC 7677): both sides prove that they know the password, neither shows it.
 *
 * Guarantees: it is over successfully only when the server's signature was verified; the password leaves only as a proof
 * for this exchange; deriving the key does not block the event loop.
 * Does not: choose its nonce. scram.ts does, and is the only file that may import this one (scripts/check-floors.ts).
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

import type { ChannelBinding } from '../../tls/channel-binding.ts';
import { base64, SaslError, type Login, type Mechanism, type MechanismName } from './mechanism.ts';
import { prepare } from './prepare.ts';
import { saltedPassword } from './salted-password.ts';
import { readServerFinal, readServerFirst } from './scram-messages.ts';

/** What the client says about channel binding (RFC 5802 §6). */
export type BindingClaim =
  /** `p=…`: this exchange is bound. */
  | ChannelBinding
  /** `y`: we could, and were offered none; a server that did offer it must then refuse. */
  | 'offered-none'
  /** `n`: we cannot. */
  | 'cannot-bind';

export interface ScramSettings {
  readonly name: MechanismName;
  readonly hash: 'sha1' | 'sha256';
  readonly login: Login;
  readonly claim: BindingClaim;
  /** Printable, without comma (RFC 5802 §5.1). */
  readonly nonce: string;
}

/** Leaves room for the rest of the message on the longest line that AUTH may have (RFC 4954 §4). */
const NAME_OCTETS = 8_000;

export class ScramExchange implements Mechanism {
  readonly name: MechanismName;
  readonly initialResponse: string;
  readonly proofs: string[] = [];
  readonly #settings: ScramSettings;
  readonly #password: string;
  readonly #clientFirstBare: string;
  #step: 'asked-again' | 'server-first' | 'server-final' | 'over' = 'asked-again';
  #serverSignature: Buffer | undefined;
  #isProved = false;

  /** @throws {SaslError} user-not-preparable | password-not-preparable */
  constructor(settings: ScramSettings) {
    this.name = settings.name;
    this.#settings = settings;
    this.#password = prepare(settings.login.password.reveal(), 'password', settings.name);
    this.#clientFirstBare = `n=${nameText(settings)},r=${settings.nonce}`;
    this.initialResponse = base64(gs2Header(settings.claim) + this.#clientFirstBare);
  }

  async respond(challenge: string): Promise<string> {
    const step = this.#step;
    // Some servers do not read the initial response, or it was too long to go with AUTH: an empty challenge asks for it.
    if (step === 'asked-again' && (challenge === '' || challenge === '=')) {
      this.#step = 'server-first';
      return this.initialResponse;
    }
    if (step === 'asked-again' || step === 'server-first') return this.#prove(challenge);
    if (step === 'server-final') return this.#verify(challenge);
    throw new SaslError('unexpected-challenge');
  }

  /** RFC 5802 §5: without the server's signature anybody could have said yes. */
  conclude(): void {
    if (!this.#isProved) throw new SaslError('server-signature-missing');
  }

  async #prove(challenge: string): Promise<string> {
    this.#step = 'over'; // until the key is there
    const { hash, login, claim, nonce } = this.#settings;
    const first = readServerFirst(challenge, nonce);
    const withoutProof = `c=${bindingInput(claim).toString('base64')},r=${first.nonce}`;
    const signed = `${this.#clientFirstBare},${first.text},${withoutProof}`;
    const { salt, iterations } = first;
    const salted = await saltedPassword(login.password, this.#password, { hash, salt, iterations });
    const clientKey = hmac(hash, salted, 'Client Key');
    const storedKey = createHash(hash).update(clientKey).digest();
    this.#serverSignature = hmac(hash, hmac(hash, salted, 'Server Key'), signed);
    const proof = exclusiveOr(clientKey, hmac(hash, storedKey, signed)).toString('base64');
    this.proofs.push(proof);
    this.#step = 'server-final';
    return base64(`${withoutProof},p=${proof}`);
  }

  #verify(challenge: string): string {
    this.#step = 'over';
    const [expected, signature] = [this.#serverSignature, readServerFinal(challenge)];
    this.#isProved =
      expected !== undefined && expected.length === signature.length && timingSafeEqual(expected, signature);
    if (!this.#isProved) throw new SaslError('server-signature-wrong');
    return ''; // SMTP has no data with success: the server's last message is a challenge (RFC 4954 §4)
  }
}

function gs2Header(claim: BindingClaim): string {
  if (claim === 'cannot-bind') return 'n,,';
  return claim === 'offered-none' ? 'y,,' : `p=${claim.type},,`;
}

/** RFC 5802 §7 cbind-input. */
function bindingInput(claim: BindingClaim): Buffer {
  const header = Buffer.from(gs2Header(claim));
  return typeof claim === 'string' ? header : Buffer.concat([header, claim.data]);
}

/** RFC 5802 §5.1: prepared, with `=` and `,` escaped. */
function nameText({ login, name }: ScramSettings): string {
  const text = prepare(login.user, 'user', name).replaceAll('=', '=3D').replaceAll(',', '=2C');
  if (Buffer.byteLength(text) > NAME_OCTETS) throw new SaslError('user-not-preparable', name);
  return text;
}

function hmac(hash: string, key: Buffer, text: string): Buffer {
  return createHmac(hash, key).update(text).digest();
}

function exclusiveOr(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((octet, index) => octet ^ (other[index] ?? 0)));
}
