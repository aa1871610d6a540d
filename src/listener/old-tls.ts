/**
 * TLS 1.0 and 1.1, for clients in named networks that know nothing newer.
 *
 * Guarantees: the choice is made by the client's address before the handshake; for every other client the listener's
 * own context counts, which begins at TLS 1.2. Nothing here is for connections to an upstream (tls/).
 */
import { SMTPServer } from 'smtp-server';

import type { ListenerIdentity } from './listener.ts';

/** The same server, but for the context of its handshakes: smtp-server takes it from the server that it is told. */
export function withOldTls(server: SMTPServer, identity: ListenerIdentity): SMTPServer {
  const same: unknown = Object.create(server);
  if (!(same instanceof SMTPServer)) throw new TypeError('not made from a server');
  presentInOldTls(same, identity);
  return same;
}

/** For handshakes from now on. */
export function presentInOldTls(server: SMTPServer, { key, cert }: ListenerIdentity): void {
  const { secureContext } = new SMTPServer({
    key,
    cert,
    minVersion: 'TLSv1',
    // OpenSSL 3 refuses the signatures of TLS 1.0 and 1.1 (MD5 with SHA-1) at any higher level.
    ciphers: 'DEFAULT:!aNULL:!eNULL:@SECLEVEL=0',
    logger: false,
  });
  server.secureContext = secureContext;
}
