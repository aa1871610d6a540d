/**
 * The sandbox: a real SMTP submission server on loopback, for development, for the demo and for tests.
 *
 * Guarantees: mail and credentials are taken inside TLS only, on a port that speaks TLS at once and on one that demands
 * STARTTLS; a message is acknowledged only when its store has it.
 * Does not: pass mail on to anybody.
 */
import { once } from 'node:events';
import { TLSSocket } from 'node:tls';

import type {
  SMTPServerAuthentication,
  SMTPServerDataStream,
  SMTPServerOptions,
  SMTPServerSession,
} from 'smtp-server';

import { PromptServer } from './prompt-server.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Who sent what to whom, and how safely. */
export interface Envelope {
  readonly id: string;
  readonly reversePath: string;
  readonly forwardPaths: readonly string[];
  /** The name given with AUTH; undefined without AUTH. */
  readonly user: string | undefined;
  /** For instance `TLSv1.3`. */
  readonly protocol: string;
}

/** Keeps a message. Resolves when it is safe; a rejection makes the sender keep it (451). */
export type Store = (envelope: Envelope, content: AsyncIterable<Buffer>) => Promise<void>;

export interface SandboxOptions {
  /** PEM. */
  readonly identity: { readonly key: string; readonly cert: string };
  readonly store: Store;
  /** Both on a free port of 127.0.0.1 by default. */
  readonly implicitTls?: Endpoint;
  readonly startTls?: Endpoint;
  /** Demanded when given; else AUTH is optional and any name and password will do. */
  readonly credentials?: { readonly user: string; readonly password: string };
  readonly maxOctets?: number;
}

/** Jokes that smtp-server answers with 2xx. */
const NOT_SERVED = ['WIZ', 'SHELL', 'KILL'];
const ANY_PORT: Endpoint = { host: '127.0.0.1', port: 0 };
const DEFAULT_MAX_OCTETS = 52_428_800;
/** RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command. */
const IDLE_MS = 300_000;

export class Sandbox {
  /** Where the two ports really are. */
  readonly implicitTls: Endpoint;
  readonly startTls: Endpoint;
  readonly #servers: readonly PromptServer[];

  private constructor(servers: readonly PromptServer[], implicitTls: Endpoint, startTls: Endpoint) {
    this.#servers = servers;
    this.implicitTls = implicitTls;
    this.startTls = startTls;
  }

  /** Resolves when both ports accept connections. */
  static async start(options: SandboxOptions): Promise<Sandbox> {
    const implicit = createServer(options, true);
    const upgrading = createServer(options, false);
    try {
      return new Sandbox(
        [implicit, upgrading],
        await listen(implicit, options.implicitTls ?? ANY_PORT),
        await listen(upgrading, options.startTls ?? ANY_PORT),
      );
    } catch (error) {
      await Promise.all([stop(implicit), stop(upgrading)]);
      throw error;
    }
  }

  /** Ends all connections and gives both ports back. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => stop(server)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function createServer(options: SandboxOptions, secure: boolean): PromptServer {
  const { identity, credentials, maxOctets = DEFAULT_MAX_OCTETS } = options;
  const protocols = new WeakMap<SMTPServerSession, string>();
  const server = new PromptServer({
    secure,
    // Never without: smtp-server would present a certificate whose key is published.
    key: identity.key,
    cert: identity.cert,
    minVersion: 'TLSv1.2',
    name: 'localhost',
    banner: 'Sealpost sandbox',
    heloResponse: '%s greets %s',
    size: maxOctets,
    hideENHANCEDSTATUSCODES: false,
    authOptional: credentials === undefined,
    disableReverseLookup: true,
    lenientAddressParsing: true,
    disabledCommands: NOT_SERVED,
    socketTimeout: IDLE_MS,
    closeTimeout: 1,
    logger: false,
    onConnect: (session, callback) => {
      // smtp-server offers AUTH in clear text, to refuse it then (RFC 4954 §4 forbids the offer).
      if (!session.secure) session.disabledCommands = [...NOT_SERVED, 'AUTH'];
      callback();
    },
    onSecure: (socket, session, callback) => {
      session.disabledCommands = undefined;
      if (socket instanceof TLSSocket) protocols.set(session, socket.getProtocol() ?? 'unknown');
      callback();
    },
    onAuth: authenticator(credentials),
    onMailFrom: (_address, session, callback) => {
      // RFC 3207 §4: a server may demand TLS. smtp-server demands it for AUTH only.
      callback(session.secure ? null : reply(530, 'Must issue a STARTTLS command first'));
    },
    onData: (stream, session, callback) => {
      const envelope = envelopeOf(session, protocols.get(session) ?? 'none');
      void (async () =>
        callback(await verdict(options.store, envelope, stream), `Ok: queued as ${envelope.id}`))();
    },
  });
  // A peer that resets its connection shows here; without a listener that would end the process.
  server.on('error', () => undefined);
  return server;
}

function authenticator(credentials: SandboxOptions['credentials']): NonNullable<SMTPServerOptions['onAuth']> {
  const isWelcome = ({ username, password }: SMTPServerAuthentication): boolean =>
    credentials === undefined || (username === credentials.user && password === credentials.password);
  return (auth, _session, callback) => {
    if (isWelcome(auth)) callback(null, { user: auth.username });
    else callback(reply(535, 'Authentication credentials invalid'));
  };
}

function envelopeOf(session: SMTPServerSession, protocol: string): Envelope {
  const { mailFrom, rcptTo } = session.envelope;
  const user: unknown = session.user;
  return {
    id: `${session.id}-${session.transaction}`,
    reversePath: mailFrom === false ? '' : mailFrom.address,
    forwardPaths: rcptTo.map(({ address }) => address),
    user: typeof user === 'string' ? user : undefined,
    protocol,
  };
}

/** Why the message was not kept; null when it was. */
async function verdict(
  store: Store,
  envelope: Envelope,
  stream: SMTPServerDataStream,
): Promise<Refusal | null> {
  try {
    await store(envelope, bounded(stream));
    return null;
  } catch (error) {
    return error instanceof Refusal ? error : reply(451, 'The message could not be stored');
  }
}

/** Ends with an error once the message is larger than SIZE allows, so that no store can take it for whole. */
async function* bounded(stream: SMTPServerDataStream): AsyncGenerator<Buffer> {
  for await (const piece of stream) {
    if (stream.sizeExceeded) throw reply(552, 'The message is larger than SIZE allows');
    if (Buffer.isBuffer(piece)) yield piece;
  }
}

/** What smtp-server turns into a reply of this code; it puts the enhanced code in front itself. */
class Refusal extends Error {
  readonly responseCode: number;

  constructor(code: number, text: string) {
    super(text);
    this.responseCode = code;
  }
}

function reply(code: number, text: string): Refusal {
  return new Refusal(code, text);
}

async function listen(server: PromptServer, at: Endpoint): Promise<Endpoint> {
  server.listen(at.port, at.host);
  await once(server.server, 'listening');
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('the sandbox has no TCP address');
  return { host: address.address, port: address.port };
}

async function stop(server: PromptServer): Promise<void> {
  if (!server.server.listening) return;
  await new Promise<void>((resolve) => {
    server.close(resolve);
  });
}
