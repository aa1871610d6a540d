/**
 * The server's side of SASL: PLAIN, LOGIN, CRAM-MD5, XOAUTH2 and OAUTHBEARER, decoded and compared.
 */
import { createHmac, randomUUID } from 'node:crypto';

import type { Account } from './account.ts';

export const SERVER_MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2', 'OAUTHBEARER'] as const;
export type ServerMechanism = (typeof SERVER_MECHANISMS)[number];

export type SaslStep =
  /** To be sent as a 334; base64 already, '' for an empty one. */
  | { readonly challenge: string }
  | { readonly success: Account }
  /** `user` as far as it was told. */
  | { readonly failure: 'credentials' | 'malformed' | 'cancelled'; readonly user: string };

export interface SaslSurroundings {
  readonly accounts: readonly Account[];
  readonly host: string;
  /** What a refused token is answered with before the 535 (RFC 7628 §3.2.2); undefined for the 535 at once. */
  readonly tokenChallenge: string | undefined;
}

/** One exchange. */
export class SaslExchange {
  readonly mechanism: ServerMechanism;
  /** What the client answered to the challenge that says that its token is refused. */
  answerToRefusal: string | undefined;
  readonly #around: SaslSurroundings;
  #user = '';
  #turn = 0;
  #refused = false;
  readonly #nonce: string;

  constructor(mechanism: ServerMechanism, around: SaslSurroundings) {
    this.mechanism = mechanism;
    this.#around = around;
    this.#nonce = `<${randomUUID()}@${around.host}>`;
  }

  /** @param initial what came with AUTH, `=` for nothing at all; undefined when nothing came */
  begin(initial: string | undefined): SaslStep {
    if (this.mechanism === 'CRAM-MD5') return { challenge: base64(this.#nonce) };
    if (initial !== undefined) return this.take(initial === '=' ? '' : initial);
    return { challenge: this.mechanism === 'LOGIN' ? base64('Username:') : '' };
  }

  /** @param line as received */
  take(line: string): SaslStep {
    if (line === '*') return this.#failed('cancelled');
    if (this.#refused) {
      this.answerToRefusal = line;
      return this.#failed('credentials');
    }
    const text = fromBase64(line);
    if (text === undefined) return this.#failed('malformed');
    this.#turn += 1;
    switch (this.mechanism) {
      case 'PLAIN':
        return this.#plain(text);
      case 'LOGIN':
        return this.#login(text);
      case 'CRAM-MD5':
        return this.#cramMd5(text);
      case 'XOAUTH2':
      case 'OAUTHBEARER':
        return this.#bearer(this.mechanism, text);
    }
  }

  /** RFC 4616 §2. */
  #plain(text: string): SaslStep {
    const [authzid, user, password, ...more] = text.split('\0');
    if (user === undefined || password === undefined || more.length > 0) return this.#failed('malformed');
    this.#user = user;
    if (authzid !== '' && authzid !== user) return this.#failed('credentials');
    return this.#checked((account) => account.password === password);
  }

  #login(text: string): SaslStep {
    if (this.#turn > 1) return this.#checked((account) => account.password === text);
    this.#user = text;
    return { challenge: base64('Password:') };
  }

  /** RFC 2195 §2. */
  #cramMd5(text: string): SaslStep {
    const at = text.lastIndexOf(' ');
    if (at < 0) return this.#failed('malformed');
    this.#user = text.slice(0, at);
    const digest = (key: string): string => createHmac('md5', key).update(this.#nonce).digest('hex');
    return this.#checked(({ password }) => password !== undefined && digest(password) === text.slice(at + 1));
  }

  /** RFC 7628 §3.1, and the older form that Google and Microsoft made. */
  #bearer(mechanism: 'XOAUTH2' | 'OAUTHBEARER', text: string): SaslStep {
    const { user, token } = bearerOf(mechanism, text);
    if (user === undefined || token === undefined) return this.#failed('malformed');
    this.#user = user;
    const step = this.#checked(({ tokens }) => tokens.has(token));
    const { tokenChallenge } = this.#around;
    if ('success' in step || tokenChallenge === undefined) return step;
    this.#refused = true;
    return { challenge: base64(tokenChallenge) };
  }

  #checked(isRight: (account: Account) => boolean): SaslStep {
    const { accounts } = this.#around;
    const account = accounts.find(({ user }) => user.toLowerCase() === this.#user.toLowerCase());
    return account !== undefined && isRight(account) ? { success: account } : this.#failed('credentials');
  }

  #failed(failure: 'credentials' | 'malformed' | 'cancelled'): SaslStep {
    return { failure, user: this.#user };
  }
}

/** Fields between ^A; two of them end it. */
function bearerOf(
  mechanism: 'XOAUTH2' | 'OAUTHBEARER',
  text: string,
): { readonly user?: string | undefined; readonly token?: string | undefined } {
  const [head = '', ...fields] = text.split('\x01');
  if (fields.length < 3 || fields.at(-1) !== '' || fields.at(-2) !== '') return {};
  const token = fields.map((field) => /^auth=Bearer (.+)$/.exec(field)?.[1]).find((one) => one !== undefined);
  if (mechanism === 'XOAUTH2') return { user: /^user=(.*)$/.exec(head)?.[1], token };
  const name = /^n,a=([^,]*),$/.exec(head)?.[1];
  return { user: name?.replaceAll('=2C', ',').replaceAll('=3D', '='), token };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function fromBase64(line: string): string | undefined {
  const octets = Buffer.from(line, 'base64');
  return octets.toString('base64') === line ? octets.toString('utf8') : undefined;
}
