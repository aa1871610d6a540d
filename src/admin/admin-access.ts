/**
 * Who may ask what over HTTP.
 *
 * Guarantees: who asks by a name that is not this listener's own hears nothing, so that a page in a browser cannot ask by
 * a name of its own (DNS rebinding); where there is a token, whoever does not say it hears of health alone.
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

import type { Secret } from '../protocol/secret.ts';

export interface AccessRules {
  /** Asked of everybody; undefined on loopback at most. */
  readonly token?: Secret | undefined;
  /** PEM: the names in it are ours, beside those of loopback. */
  readonly cert?: string | undefined;
}

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '::1'];
/** Asked by probes, which have no token to say; they tell one word. */
const OPEN: readonly string[] = ['/livez', '/readyz'];

export class AdminAccess {
  readonly #token: Buffer | undefined;
  readonly #certificate: X509Certificate | undefined;
  readonly #names: readonly string[];

  /** @param host that is listened on */
  constructor(host: string, { token, cert }: AccessRules) {
    this.#names = [...LOOPBACK, host];
    this.#token = token === undefined ? undefined : digestOf(token.reveal());
    this.#certificate = cert === undefined ? undefined : new X509Certificate(cert);
  }

  /** @param header Host */
  isOwnName(header = ''): boolean {
    const name = header
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase();
    if (this.#names.includes(name)) return true;
    const certificate = this.#certificate;
    return (isIP(name) === 0 ? certificate?.checkHost(name) : certificate?.checkIP(name)) !== undefined;
  }

  /** Bearer (RFC 6750), or the password of Basic (RFC 7617), which browsers ask for. */
  mayAsk(path: string, { authorization = '' }: IncomingHttpHeaders): boolean {
    if (this.#token === undefined || OPEN.includes(path)) return true;
    const [, scheme = '', said = ''] = /^(\w+) +(\S+)$/.exec(authorization) ?? [];
    if (scheme.toLowerCase() === 'bearer') return timingSafeEqual(digestOf(said), this.#token);
    if (scheme.toLowerCase() !== 'basic') return false;
    const [, ...password] = Buffer.from(said, 'base64').toString().split(':');
    return timingSafeEqual(digestOf(password.join(':')), this.#token);
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
