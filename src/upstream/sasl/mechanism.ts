/**
 * What a SASL mechanism is to the hop that speaks it (RFC 4422 §3, RFC 4954 §4).
 */
import type { Secret } from '../../protocol/secret.ts';

/**
 * Every mechanism spoken here, strongest first.
 *
 * Bound to the channel before not bound: a binding finds out a man in the middle, the better hash only slows the guessing
 * of passwords. CRAM-MD5 stands before PLAIN and LOGIN because the password itself is not sent; PLAIN before LOGIN
 * because it needs one round trip instead of three. OAUTHBEARER and XOAUTH2 take a token and no password; the one with an RFC
 * stands first. EXTERNAL is never chosen from this order: it has neither.
 */
export const MECHANISM_NAMES = [
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-1-PLUS',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'CRAM-MD5',
  'PLAIN',
  'LOGIN',
  'OAUTHBEARER',
  'XOAUTH2',
  'EXTERNAL',
] as const;

export type MechanismName = (typeof MECHANISM_NAMES)[number];

export type TokenMechanismName = 'OAUTHBEARER' | 'XOAUTH2';
export type PasswordMechanismName = Exclude<MechanismName, TokenMechanismName | 'EXTERNAL'>;

/** Whether it takes an access token. */
export function takesToken(name: MechanismName): name is TokenMechanismName {
  return name === 'OAUTHBEARER' || name === 'XOAUTH2';
}

/** Whether it takes a password. */
export function takesPassword(name: MechanismName): name is PasswordMechanismName {
  return !takesToken(name) && name !== 'EXTERNAL';
}

export interface Mechanism {
  readonly name: MechanismName;
  /** base64, to be sent with the AUTH command; undefined when the server speaks first, '' for an empty response. */
  readonly initialResponse: string | undefined;
  /**
   * Answers a 334.
   *
   * @param challenge its text, base64 as received
   * @returns base64; undefined to give up
   * @throws {SaslError} when the server broke the rules of the mechanism
   */
  respond(challenge: string): string | undefined | Promise<string | undefined>;
  /**
   * Called when the server said that we are in.
   *
   * @throws {SaslError} when the mechanism wants a proof of the server and did not get it
   */
  conclude?(): void;
  /** What was sent inside the base64 and must not come back in a text that is shown: proofs, digests. */
  readonly proofs?: readonly string[];
  /** What the server said is wrong, in a challenge; printable and bounded. */
  readonly complaint?: string | undefined;
}

/** What a password mechanism logs in with. */
export interface Login {
  readonly user: string;
  readonly password: Secret;
}

/** Why an exchange is given up by us. */
export type SaslReason =
  /** Not base64, not UTF-8, not the attributes that the mechanism has. */
  | 'malformed-challenge'
  /** A challenge where none is due. */
  | 'unexpected-challenge'
  /** The server's nonce does not begin with ours, or adds nothing to it (RFC 5802 §5.1). */
  | 'nonce'
  | 'iteration-count-too-low'
  | 'iteration-count-too-high'
  /** `m=`: something that we do not know and must not ignore (RFC 5802 §5.1). */
  | 'mandatory-extension'
  | 'server-signature-missing'
  | 'server-signature-wrong'
  /** The server's own `e=` (RFC 5802 §7), in its words as far as the RFC knows them. */
  | `server-error-${ServerErrorValue}`
  /** The token, or the user name, does not fit on a line of AUTH (RFC 4954 §4), or has characters that it cannot have. */
  | 'token-not-sendable'
  /** User name or password has characters that SASLprep prohibits (RFC 4013 §2.3, §2.4), or is empty after it. */
  | 'user-not-preparable'
  | 'password-not-preparable';

/** RFC 5802 §7 server-error-value; `other-error` is for whatever else a server says. */
export const SERVER_ERROR_VALUES = [
  'invalid-encoding',
  'extensions-not-supported',
  'invalid-proof',
  'channel-bindings-dont-match',
  'server-does-support-channel-binding',
  'channel-binding-not-supported',
  'unsupported-channel-binding-type',
  'unknown-user',
  'invalid-username-encoding',
  'no-resources',
  'other-error',
] as const;

export type ServerErrorValue = (typeof SERVER_ERROR_VALUES)[number];

/** An exchange that must not go on. Its message is the reason and nothing of the peer's. */
export class SaslError extends Error {
  readonly reason: SaslReason;
  /** Where it comes before there is a mechanism to ask. */
  readonly mechanism: MechanismName | undefined;

  constructor(reason: SaslReason, mechanism?: MechanismName) {
    super(reason);
    this.name = 'SaslError';
    this.reason = reason;
    this.mechanism = mechanism;
  }
}

/** Text as UTF-8 in base64. */
export function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/**
 * The octets of a base64 text. Strict, unlike Node: no foreign characters, no missing or superfluous padding.
 *
 * @throws {SaslError} malformed-challenge
 */
export function fromBase64(text: string): Buffer {
  const octets = Buffer.from(text, 'base64');
  if (octets.toString('base64') !== text) throw new SaslError('malformed-challenge');
  return octets;
}

/** @throws {SaslError} malformed-challenge, also when the octets are not UTF-8 */
export function textFromBase64(text: string): string {
  const octets = fromBase64(text);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new SaslError('malformed-challenge'); // the decoder has nothing to add
  }
}
