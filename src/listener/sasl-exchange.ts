/**
 * The server's side of SASL: PLAIN (RFC 4616), LOGIN with the prompts that clients look for, CRAM-MD5 (RFC 2195).
 *
 * Guarantees: whatever a client answers, the exchange ends in a proof or a fault after two answers at most.
 * Does not: judge what the client presents.
 */
import { randomBytes } from 'node:crypto';

import { Secret } from '../protocol/secret.ts';

export type ClientMechanism = 'PLAIN' | 'LOGIN' | 'CRAM-MD5';

/** What a client presents. */
export type Proof =
  | { readonly by: 'password'; readonly user: string; readonly password: Secret }
  | { readonly by: 'digest'; readonly user: string; readonly challenge: string; readonly digest: string };

export type Step = { readonly challenge: string } | { readonly proof: Proof } | { readonly fault: Fault };

export type Fault = 'cancelled' | 'not-base64' | 'malformed' | 'unexpected-response';

export interface SaslExchange {
  readonly mechanism: ClientMechanism;
  /** @param response what came with AUTH itself; undefined for none, '' for an empty one */
  begin(response: string | undefined): Step;
  /** @param response in base64, or `*` */
  next(response: string): Step;
}

/** @param hostname for the challenge of CRAM-MD5 */
export function saslExchange(mechanism: ClientMechanism, hostname: string): SaslExchange {
  switch (mechanism) {
    case 'PLAIN':
      return new PlainExchange();
    case 'LOGIN':
      return new LoginExchange();
    case 'CRAM-MD5':
      return new CramExchange(hostname);
  }
}

class PlainExchange implements SaslExchange {
  readonly mechanism = 'PLAIN';

  begin(response: string | undefined): Step {
    return response === undefined ? { challenge: '' } : this.#judge(response);
  }

  next(response: string): Step {
    return decoded(response, (text) => this.#judge(text));
  }

  /**
   * Who writes the name where the other one belongs means himself. Deviates from RFC 4616 §2 because devices put anything
   * there: a client that asks to act for another is let in, as itself.
   */
  #judge(text: string): Step {
    const [authorized = '', authenticated = '', password, more] = text.split('\0');
    if (password === undefined || more !== undefined) return { fault: 'malformed' };
    return passwordProof(authenticated === '' ? authorized : authenticated, password);
  }
}

class LoginExchange implements SaslExchange {
  readonly mechanism = 'LOGIN';
  #user: string | undefined;

  begin(response: string | undefined): Step {
    if (response === undefined) return challenge('Username:');
    this.#user = response;
    return challenge('Password:');
  }

  next(response: string): Step {
    return decoded(response, (text) =>
      this.#user === undefined ? this.begin(text) : passwordProof(this.#user, text),
    );
  }
}

class CramExchange implements SaslExchange {
  readonly mechanism = 'CRAM-MD5';
  readonly #challenge: string;

  constructor(hostname: string) {
    this.#challenge = `<${randomBytes(16).toString('hex')}.${Math.floor(Date.now() / 1_000)}@${hostname}>`;
  }

  begin(response: string | undefined): Step {
    return response === undefined ? challenge(this.#challenge) : { fault: 'unexpected-response' };
  }

  next(response: string): Step {
    return decoded(response, (text) => {
      const at = text.lastIndexOf(' ');
      const digest = text.slice(at + 1).toLowerCase();
      if (at < 0 || !/^[0-9a-f]{32}$/.test(digest)) return { fault: 'malformed' };
      return { proof: { by: 'digest', user: text.slice(0, at), challenge: this.#challenge, digest } };
    });
  }
}

/** An initial response, of which `=` is the empty one (RFC 4954 §4). @returns undefined when it is no base64 */
export function initialResponse(text: string): string | undefined {
  return text === '=' ? '' : decodeBase64(text);
}

function challenge(text: string): Step {
  return { challenge: Buffer.from(text).toString('base64') };
}

function passwordProof(user: string, password: string): Step {
  return { proof: { by: 'password', user, password: new Secret(password) } };
}

function decoded(response: string, judge: (text: string) => Step): Step {
  if (response === '*') return { fault: 'cancelled' };
  const text = decodeBase64(response);
  return text === undefined ? { fault: 'not-base64' } : judge(text);
}

/** Devices forget the padding, and write names in the character set they were made with. */
function decodeBase64(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const octets = Buffer.from(text, 'base64');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return octets.toString('latin1');
  }
}
