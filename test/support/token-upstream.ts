/**
 * What a submission server with OAUTHBEARER and XOAUTH2 answers: the token is asked of the authorization server, a refusal
 * is a challenge with JSON, and 535 comes after the client's acknowledgement.
 */
import type { AuthorizationServer } from './authorization-server.ts';
import type { Answer, Connection, Script } from './scripted-upstream.ts';

export const REFUSED = '535 5.7.8 Username and Password not accepted\r\n';

/** Gmail's, RFC 7628 §3.2.2. */
const CHALLENGE = { status: '400', schemes: 'Bearer', scope: 'https://mail.example.test/' };

/** What one AUTH came to. */
export interface TokenLogin {
  readonly mechanism: string;
  readonly user: string;
  readonly token: string;
  /** Octets of the AUTH command line, without CRLF. */
  readonly commandOctets: number;
  readonly isAccepted: boolean;
  /** What answered the challenge, as it came. */
  acknowledgement: string | undefined;
}

interface Turn {
  readonly mechanism: string;
  readonly commandOctets: number;
  refused?: TokenLogin;
}

export class TokenUpstream {
  readonly logins: TokenLogin[] = [];
  /** Tokens that it does not take any more, whatever the authorization server says. */
  readonly revoked = new Set<string>();
  /** Refuses every token when set. */
  isStubborn = false;
  /** Repeats in its refusal what it was sent, in the challenge and after it. */
  isEchoing = false;
  readonly #server: AuthorizationServer;
  readonly #turns = new WeakMap<Connection, Turn>();

  constructor(server: AuthorizationServer) {
    this.#server = server;
  }

  readonly answer: NonNullable<Script['answer']> = async (line, at) => {
    const turn = this.#turns.get(at);
    if (turn === undefined) return this.#begin(line, at);
    if (turn.refused === undefined) return this.#judge(line, turn, at);
    turn.refused.acknowledgement = line;
    this.#turns.delete(at);
    return this.isEchoing ? `535 5.7.8 Bad token ${turn.refused.token}\r\n` : REFUSED;
  };

  #begin(line: string, at: Connection): Promise<Answer> | Answer | undefined {
    const [verb = '', mechanism = '', response] = line.split(' ');
    if (verb.toUpperCase() !== 'AUTH') return undefined;
    const turn = { mechanism, commandOctets: line.length };
    this.#turns.set(at, turn);
    return response === undefined ? '334 \r\n' : this.#judge(response, turn, at);
  }

  async #judge(response: string, turn: Turn, at: Connection): Promise<Answer> {
    const [head = '', ...fields] = Buffer.from(response, 'base64').toString().split('\u0001');
    const token =
      fields.find((field) => field.startsWith('auth=Bearer '))?.slice('auth=Bearer '.length) ?? '';
    const saslName = /^n,a=([^,]*),$/.exec(head)?.[1];
    const user = saslName?.replaceAll('=2C', ',').replaceAll('=3D', '=') ?? head.replace(/^user=/, '');
    const isAccepted = !this.isStubborn && !this.revoked.has(token) && (await this.#server.isValid(token));
    const { mechanism, commandOctets } = turn;
    const login: TokenLogin = {
      mechanism,
      user,
      token,
      commandOctets,
      isAccepted,
      acknowledgement: undefined,
    };
    this.logins.push(login);
    if (isAccepted) {
      this.#turns.delete(at);
      return '235 2.7.0 Accepted\r\n';
    }
    turn.refused = login;
    const challenge = this.isEchoing ? { ...CHALLENGE, error: `bad token ${token}` } : CHALLENGE;
    return `334 ${Buffer.from(JSON.stringify(challenge)).toString('base64')}\r\n`;
  }
}
