/**
 * AUTH of a scripted upstream that speaks SCRAM: a good server's by default, with single steps replaced.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';

import { CANARY_PASSWORD } from './hostile-canary.ts';
import { keywords, type Deviation } from './hostile-stage.ts';
import { ScramServer } from './scram-server.ts';
import type { Answer, Connection } from './scripted-connection.ts';

export interface ScramPlay {
  /** What AUTH offers; `SCRAM-SHA-256` by default. */
  readonly offered?: string;
  /** The password that the server knows; the relay's by default. */
  readonly password?: string;
  /** Alters its first message before it is sent; the rest of the exchange follows the altered one. */
  readonly first?: (text: string, clientNonce: string) => string;
  /** Instead of the answer to AUTH. */
  readonly atAuth?: (server: ScramServer, line: string) => Answer;
  /**
   * Instead of the answer to the relay's proof.
   *
   * @param final `v=…` or `e=…`, base64
   */
  readonly atProof?: (final: string, line: string) => Answer;
  /** Instead of the answer to what the relay says to the server's last message. */
  readonly atEnd?: Answer;
}

/** A session of this play; the servers of its connections are in `servers`, in their order. */
export function scramUpstream(play: ScramPlay, servers: ScramServer[] = []): Deviation {
  const exchanges = new WeakMap<Connection, { readonly server: ScramServer; step: number }>();
  return {
    keywords: keywords(['AUTH'], `AUTH ${play.offered ?? 'SCRAM-SHA-256'}`),
    answer: (line, at) => {
      const [verb, mechanism = '', message] = line.split(' ');
      if (verb === 'AUTH') {
        const server = new ScramServer({
          ...accountFor(mechanism, at),
          password: play.password ?? CANARY_PASSWORD,
        });
        servers.push(server);
        exchanges.set(at, { server, step: 0 });
        if (message === undefined) return '334 \r\n';
      }
      const exchange = exchanges.get(at);
      if (exchange === undefined || exchange.step > 2 || verb === 'QUIT') return undefined;
      if (line === '*') return '501 5.7.0 Cancelled\r\n';
      exchange.step += 1;
      return stepOf(play, exchange, message ?? line);
    },
  };
}

function stepOf(
  play: ScramPlay,
  { server, step }: { server: ScramServer; step: number },
  line: string,
): Answer {
  if (step === 1) return play.atAuth?.(server, line) ?? `334 ${server.first(line, play.first)}\r\n`;
  if (step === 2) {
    const final = server.final(line);
    return play.atProof?.(final, line) ?? `334 ${final}\r\n`;
  }
  return play.atEnd ?? (line === '' ? '235 2.7.0 Welcome\r\n' : '501 5.5.2 Nothing was asked\r\n');
}

function accountFor(
  mechanism: string,
  at: Connection,
): Omit<ConstructorParameters<typeof ScramServer>[0], 'password'> {
  const hash = mechanism.startsWith('SCRAM-SHA-256') ? 'sha256' : 'sha1';
  return mechanism.endsWith('-PLUS') ? { hash, binding: { type: '', data: bindingOf(at) } } : { hash };
}

/** The server's own view of the session (RFC 9266, RFC 5929 §4); its certificates here are signed with SHA-256. */
function bindingOf({ socket, script }: Connection): Buffer {
  if (!(socket instanceof TLSSocket)) throw new Error('not inside TLS');
  if (socket.getProtocol() === 'TLSv1.3')
    return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  return createHash('sha256').update(new X509Certificate(script.identity.cert).raw).digest();
}
