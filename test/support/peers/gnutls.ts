/**
 * A TLS server of GnuTLS, which tells what it thinks a session is bound to.
 */
import type { Identity } from '../pki.ts';
import { Daemon } from './daemon.ts';
import { freePorts, WorkDirectory } from './peer.ts';

export interface GnuTlsServer extends AsyncDisposable {
  readonly port: number;
  /** Its value of a channel binding, hexadecimal, of the session that began last; asked when it has echoed something. */
  readonly binding: (type: string) => string | undefined;
}

/** Echoes lines, on TLS of whatever version the client wants. */
export async function startGnuTls(identity: Identity): Promise<GnuTlsServer> {
  await using started = new AsyncDisposableStack();
  const work = started.use(new WorkDirectory('gnutls'));
  const { keyFile, certFile } = work.identity(identity);
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  const daemon = started.use(
    await Daemon.start({
      command: 'stdbuf', // it would hold back what it tells
      args: [
        '-oL',
        'gnutls-serv',
        '--echo',
        '--debug=2',
        `--port=${port}`,
        `--x509keyfile=${keyFile}`,
        `--x509certfile=${certFile}`,
      ],
      ready: /listening on IPv4 .*done/,
    }),
  );
  const running = started.move();
  const binding = (type: string): string | undefined => {
    const told = [...daemon.output.matchAll(new RegExp(`'${type}': ([0-9a-f]+)\\n`, 'g'))];
    return told.at(-1)?.[1];
  };
  return { port, binding, [Symbol.asyncDispose]: async () => running.disposeAsync() };
}
