/**
 * A submission server that wants a certificate from its clients: just enough SMTP inside TLS to take one message after
 * the other.
 *
 * Guarantees: what each client presented and every command line are on record.
 */
import { once } from 'node:events';
import { createServer, type SecureVersion, type Server, type TLSSocket } from 'node:tls';

import type { Identity } from './pki.ts';

export interface CertificateWish {
  /** PEM: who issues certificates for clients. */
  readonly clientAuthority: string;
  /** Mechanisms offered; none by default. */
  readonly mechanisms?: string;
  /** AUTH is answered with a prompt, as if the initial response had not been read. */
  readonly promptsAgain?: boolean;
  readonly maxVersion?: SecureVersion;
}

type State = 'commands' | 'response' | 'content';

export class CertificateUpstream implements AsyncDisposable {
  /** Subject of each client that was let in. */
  readonly clients: string[] = [];
  readonly commands: string[] = [];
  messages = 0;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();
  readonly #wish: CertificateWish;

  private constructor(identity: Identity, wish: CertificateWish) {
    this.#wish = wish;
    const { clientAuthority: ca, maxVersion } = wish;
    this.#server = createServer(
      {
        ...identity,
        ca,
        requestCert: true,
        rejectUnauthorized: true,
        ...(maxVersion === undefined ? {} : { maxVersion }),
      },
      (socket) => this.#accept(socket),
    );
  }

  static async start(identity: Identity, wish: CertificateWish): Promise<CertificateUpstream> {
    const upstream = new CertificateUpstream(identity, wish);
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  /** For SEALPOST_UPSTREAM. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the upstream is not listening');
    return `smtps://localhost:${address.port}`;
  }

  /** Command lines of one verb. */
  said(verb: string): readonly string[] {
    return this.commands.filter((line) => line.startsWith(verb));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: TLSSocket): void {
    this.#sockets.add(socket);
    this.clients.push(socket.getPeerX509Certificate()?.subject ?? '');
    let pending = '';
    let state: State = 'commands';
    socket.on('error', () => undefined);
    socket.on('data', (octets: Buffer) => {
      const lines = (pending + octets.toString('latin1')).split('\r\n');
      pending = lines.pop() ?? '';
      for (const line of lines) {
        const [reply, next] = this.#take(line, state);
        state = next;
        socket.write(reply);
      }
    });
    socket.write('220 upstream.test ESMTP\r\n');
  }

  #take(line: string, state: State): readonly [reply: string, next: State] {
    if (state === 'content') {
      if (line !== '.') return ['', 'content'];
      this.messages += 1;
      return ['250 2.0.0 Queued\r\n', 'commands'];
    }
    this.commands.push(line);
    if (state === 'response') return ['235 2.7.0 Welcome\r\n', 'commands'];
    return this.#answer(line.split(' ', 1)[0] ?? '');
  }

  #answer(verb: string): readonly [reply: string, next: State] {
    const { mechanisms, promptsAgain = false } = this.#wish;
    const offer = mechanisms === undefined ? '' : `250-AUTH ${mechanisms}\r\n`;
    if (verb === 'EHLO') return [`250-upstream.test\r\n${offer}250 8BITMIME\r\n`, 'commands'];
    if (verb === 'AUTH')
      return promptsAgain ? ['334 \r\n', 'response'] : ['235 2.7.0 Welcome\r\n', 'commands'];
    if (verb === 'DATA') return ['354 Go ahead\r\n', 'content'];
    return ['250 2.0.0 Ok\r\n', 'commands'];
  }
}
