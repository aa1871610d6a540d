/**
 * Secrets that a test has planted or seen, looked for wherever they must not be.
 *
 * Guarantees: any 23 characters in a row of a secret are found, as they are, percent-encoded, in hexadecimal, and in
 * base64 at whatever offset.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

/** What is looked for; two random pieces of that length are never the same. */
const PIECE = 12;

export class PlantedSecrets {
  readonly #traces = new Map<string, string>();

  /** A new one, with characters that encodings treat differently. @param name for messages */
  plant(name: string): string {
    const secret = `${randomBytes(9).toString('base64url')}+/=&% ~${randomBytes(9).toString('base64url')}`;
    this.keep(name, secret);
    return secret;
  }

  /** One that somebody else has made; in a shorter one than twelve characters is nothing to find. */
  keep(name: string, secret: string): void {
    for (let from = 0; from + PIECE <= secret.length; from += PIECE)
      for (const trace of tracesOf(secret.slice(from, from + PIECE))) this.#traces.set(trace, name);
  }

  /** @param where for messages */
  assertNoneIn(text: string, where: string): void {
    const folded = text.toLowerCase();
    for (const [trace, name] of this.#traces) {
      const at = folded.indexOf(trace);
      assert.ok(at < 0, `${where} has the ${name}: …${text.slice(Math.max(0, at - 100), at + 100)}…`);
    }
  }
}

/** Without regard to letter case: what finds too much would find it in random octets. */
function tracesOf(piece: string): readonly string[] {
  const base64 = [0, 1, 2].map((offset) => base64At(piece, offset));
  const forms = [
    piece,
    encodeURIComponent(piece),
    new URLSearchParams([['', piece]]).toString().slice(1),
    Buffer.from(piece).toString('hex'),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
  return forms.map((form) => form.toLowerCase());
}

/** Those characters of the base64 that the text alone decides, when it begins at this offset modulo three. */
export function base64At(text: string, offset: number): string {
  const encoded = Buffer.from('.'.repeat(offset) + text).toString('base64');
  const whole = Math.floor(((offset + Buffer.byteLength(text)) * 8) / 6);
  return encoded.slice(offset === 0 ? 0 : offset + 1, whole);
}
