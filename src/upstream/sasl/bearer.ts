/**
 * What OAUTHBEARER and XOAUTH2 have in common: a token in one response, and a refusal that comes as a challenge.
 */
import { printable } from '../../protocol/printable.ts';
import type { Secret } from '../../protocol/secret.ts';
import { base64, SaslError, type Mechanism, type TokenMechanismName } from './mechanism.ts';

/** What a token mechanism logs in with. */
export interface Bearer {
  readonly user: string;
  readonly token: Secret;
}

export interface BearerForm {
  readonly name: TokenMechanismName;
  /** The message with the token. */
  readonly message: string;
  /** base64; what answers a refusal, so that the server can end the exchange. */
  readonly acknowledgement: string;
}

/** RFC 4954 §4: 12,288 octets, and the line has a CRLF. */
const RESPONSE_CHARACTERS = 12_286;

/** Of each word of a refusal. */
const WORD_CHARACTERS = 200;

/** RFC 6750 §2.1; what else a token might hold would end the message within. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/** @throws {SaslError} token-not-sendable */
export function bearerMechanism({ name, message, acknowledgement }: BearerForm, token: Secret): Mechanism {
  const response = base64(message);
  if (response.length > RESPONSE_CHARACTERS || !B64TOKEN.test(token.reveal()))
    throw new SaslError('token-not-sendable', name);
  let isAsked = false;
  let complaint: string | undefined;
  return {
    name,
    initialResponse: response,
    proofs: [token.reveal(), base64(token.reveal())],
    get complaint() {
      return complaint;
    },
    /** An empty challenge asks for the token; one with JSON refuses it (RFC 7628 §3.2.2), and is answered once. */
    respond(challenge) {
      if (complaint !== undefined) return undefined;
      const said = complaintIn(challenge);
      if (said !== undefined) {
        complaint = said;
        return acknowledgement;
      }
      if (isAsked) return undefined;
      isAsked = true;
      return response;
    },
  };
}

/** @returns what the JSON says; undefined when the challenge is none */
function complaintIn(challenge: string): string | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(challenge, 'base64').toString('utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const fields: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(value));
    return ['status', 'error', 'error_description', 'scope']
      .map((name) => [name, fields[name]] as const)
      .filter(([, word]) => typeof word === 'string' && word !== '')
      .map(([name, word]) => `${name} ${printable(String(word), WORD_CHARACTERS)}`)
      .join(', ');
  } catch {
    return undefined; // a prompt of some other kind
  }
}
