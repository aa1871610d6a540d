/**
 * `sealpost sandbox`: an upstream for development, until it is told to stop.
 */
import { isIPv6 } from 'node:net';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { loadOrIssue } from '../certificates/local-authority.ts';
import { LocalAuthorityError } from '../certificates/pair-directory.ts';
import { Maildir } from '../sandbox/maildir.ts';
import { Sandbox, type Endpoint, type SandboxOptions } from '../sandbox/sandbox.ts';
import { readPasswordFile } from './password-file.ts';
import { isUsageError, UsageError } from './usage-error.ts';

export const USAGE = `Usage: sealpost sandbox [OPTION]...

An SMTP submission server on loopback that keeps what it receives and passes nothing on.

  --listen-tls HOST:PORT       TLS from the first octet    (127.0.0.1:4465; port 0 picks one)
  --listen-starttls HOST:PORT  STARTTLS, required          (127.0.0.1:4587)
  --maildir DIR                where messages go           (STATE/sandbox)
  --state-dir DIR              where the local CA is kept  (the relay's default)
  --user NAME --password-file FILE
                               demand AUTH with this name and the first line of this file;
                               without them AUTH is offered and anything will do
`;

interface Wishes {
  readonly implicitTls: Endpoint;
  readonly startTls: Endpoint;
  readonly maildir: string;
  readonly stateDirectory: string;
  readonly credentials: SandboxOptions['credentials'];
}

/**
 * @param defaults what the options fall back to
 * @returns the exit code: 0 after SIGTERM or SIGINT, 1 when it cannot start, 64 (EX_USAGE)
 */
export async function sandbox(
  args: readonly string[],
  defaults: { readonly stateDirectory: string },
  out: NodeJS.WritableStream,
): Promise<number> {
  try {
    await run(await readWishes(args, defaults.stateDirectory), out);
    return 0;
  } catch (error) {
    if (isUsageError(error)) {
      process.stderr.write(`sealpost sandbox: ${error.message}\n\n${USAGE}`);
      return 64;
    }
    if (!(error instanceof LocalAuthorityError) && !isSystemError(error)) throw error;
    process.stderr.write(`sealpost sandbox: ${error.message}\n`);
    return 1;
  }
}

async function run(wishes: Wishes, out: NodeJS.WritableStream): Promise<void> {
  const identity = await loadOrIssue(wishes.stateDirectory);
  const maildir = await Maildir.open(wishes.maildir);
  await using server = await Sandbox.start({
    identity,
    implicitTls: wishes.implicitTls,
    startTls: wishes.startTls,
    ...(wishes.credentials === undefined ? {} : { credentials: wishes.credentials }),
    store: async (envelope, content) => {
      const file = await maildir.deliver(content);
      const to = envelope.forwardPaths.map((path) => `<${path}>`).join(' ');
      out.write(`received over ${envelope.protocol}: <${envelope.reversePath}> to ${to}, ${file}\n`);
    },
  });
  const { implicitTls, startTls } = server;
  out.write(
    [
      'The sandbox is ready. It keeps what it receives and passes nothing on.',
      '',
      `  TLS       ${authority(implicitTls)}`,
      `  STARTTLS  ${authority(startTls)}`,
      `  Maildir   ${wishes.maildir}`,
      '',
      'Variables for a relay that is to use it (or, for STARTTLS, the second upstream):',
      '',
      `SEALPOST_UPSTREAM=smtps://${certifiedName(implicitTls)}:${implicitTls.port}`,
      `# SEALPOST_UPSTREAM=smtp://${certifiedName(startTls)}:${startTls.port}`,
      `SEALPOST_TLS_CA_FILE=${identity.caFile}`,
      ...(wishes.credentials === undefined ? [] : [`SEALPOST_UPSTREAM_USER=${wishes.credentials.user}`]),
      '',
      '',
    ].join('\n'),
  );
  await told();
}

async function readWishes(args: readonly string[], defaultDirectory: string): Promise<Wishes> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'listen-tls': { type: 'string', default: '127.0.0.1:4465' },
      'listen-starttls': { type: 'string', default: '127.0.0.1:4587' },
      maildir: { type: 'string' },
      'state-dir': { type: 'string', default: defaultDirectory },
      user: { type: 'string' },
      'password-file': { type: 'string' },
    },
  });
  const { user, 'password-file': passwordFile, maildir, 'state-dir': stateDirectory } = values;
  if ((user === undefined) !== (passwordFile === undefined)) {
    throw new UsageError('--user and --password-file belong together');
  }
  return {
    implicitTls: endpoint('--listen-tls', values['listen-tls']),
    startTls: endpoint('--listen-starttls', values['listen-starttls']),
    maildir: resolve(maildir ?? join(stateDirectory, 'sandbox')),
    stateDirectory: resolve(stateDirectory),
    credentials:
      user === undefined || passwordFile === undefined
        ? undefined
        : { user, password: await readPasswordFile(passwordFile) },
  };
}

/** `127.0.0.1:4465`, `[::1]:4465`, `localhost:0`. Loopback only: the certificate is good for nothing else. */
function endpoint(option: string, text: string): Endpoint {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port <= 65_535))
    throw new UsageError(`${option} wants HOST:PORT, not "${text}"`);
  if (host !== 'localhost' && host !== '127.0.0.1' && host !== '::1') {
    throw new UsageError(`${option} listens on localhost, 127.0.0.1 or [::1] only, not on "${host}"`);
  }
  return { host, port };
}

function authority({ host, port }: Endpoint): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `localhost` may mean another address than the one listened on; both are in the certificate. */
function certifiedName({ host }: Endpoint): string {
  return isIPv6(host) ? `[${host}]` : host === '127.0.0.1' ? 'localhost' : host;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** Waits for SIGTERM or SIGINT. */
async function told(): Promise<void> {
  const { promise, resolve: go } = Promise.withResolvers<void>();
  const onSignal = (): void => go();
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  await promise;
  process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
}
