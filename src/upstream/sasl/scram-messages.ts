/**
 * The server's messages of SCRAM (RFC 5802 §7), read strictly: what is not understood ends the exchange.
 */
import {
  fromBase64,
  SaslError,
  SERVER_ERROR_VALUES,
  textFromBase64,
  type ServerErrorValue,
} from './mechanism.ts';

/** RFC 7677 §4: at least 4096, else a stolen server message is a password guessed cheaply. */
const ITERATIONS_MIN = 4_096;

/** About half a second of one core; what servers use is below 200 000. More would let a server buy our time. */
const ITERATIONS_MAX = 1_000_000;

export interface ServerFirst {
  /** As received: part of what is signed. */
  readonly text: string;
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

/**
 * @param challenge base64
 * @param clientNonce what the server's nonce must begin with
 * @throws {SaslError}
 */
export function readServerFirst(challenge: string, clientNonce: string): ServerFirst {
  const text = textFromBase64(challenge);
  const fields = attributes(text);
  const [nonce, salt, iterations] = fields;
  if (nonce?.name === 'e') throw serverError(nonce.value);
  if (fields.some(({ name }) => name === 'm')) throw new SaslError('mandatory-extension');
  if (nonce?.name !== 'r' || salt?.name !== 's' || iterations?.name !== 'i')
    throw new SaslError('malformed-challenge');
  return {
    text,
    nonce: extendedNonce(nonce.value, clientNonce),
    salt: fromBase64(salt.value), // not empty: no value is
    iterations: iterationCount(iterations.value),
  };
}

/**
 * The server's signature.
 *
 * @param challenge base64
 * @throws {SaslError}
 */
export function readServerFinal(challenge: string): Buffer {
  const fields = attributes(textFromBase64(challenge));
  const [first] = fields;
  if (first?.name === 'e') throw serverError(first.value);
  if (fields.some(({ name }) => name === 'm')) throw new SaslError('mandatory-extension');
  if (first?.name !== 'v') throw new SaslError('malformed-challenge');
  return fromBase64(first.value);
}

interface Attribute {
  readonly name: string;
  readonly value: string;
}

/** RFC 5802 §5.1: letter, `=`, value; separated by commas, none of which is in a value. */
function attributes(text: string): readonly Attribute[] {
  return text.split(',').map((field) => {
    const [, name, value] = /^([A-Za-z])=([^\0]+)$/.exec(field) ?? [];
    if (name === undefined || value === undefined) throw new SaslError('malformed-challenge');
    return { name, value };
  });
}

function extendedNonce(nonce: string, clientNonce: string): string {
  if (!/^[\x21-\x2b\x2d-\x7e]+$/.test(nonce)) throw new SaslError('malformed-challenge');
  if (!nonce.startsWith(clientNonce) || nonce === clientNonce) throw new SaslError('nonce');
  return nonce;
}

function iterationCount(digits: string): number {
  if (!/^[1-9][0-9]*$/.test(digits)) throw new SaslError('malformed-challenge');
  const count = Number(digits);
  if (count < ITERATIONS_MIN) throw new SaslError('iteration-count-too-low');
  if (count > ITERATIONS_MAX) throw new SaslError('iteration-count-too-high');
  return count;
}

function serverError(value: string): SaslError {
  const known = SERVER_ERROR_VALUES.find((one) => one === value);
  return new SaslError(`server-error-${known ?? ('other-error' satisfies ServerErrorValue)}`);
}
