/**
 * One address that clients connect to.
 *
 * Guarantees: who is not admitted hears why and nothing more; stopping lets transactions end.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';

import { newId } from '../log/id.ts';
import { CLIENT_IDLE_TIMEOUT_MS, COMMAND_LINE_OCTETS } from '../protocol/limits.ts';
import { Networks } from '../relay/networks.ts';
import type { RelayContext } from '../relay/relay-context.ts';
import type { ClientAuth } from './client-auth.ts';
import { tellLimit, type ClientLimits, type OverLimit } from './client-limits.ts';
import { ClientConnection, type ConnectionContext } from './client-connection.ts';
import { ClientPlace } from './client-place.ts';
import { HANDSHAKE_MS } from './handshake-bound.ts';
import { presentInOldTls, withOldTls } from './old-tls.ts';
import { proxyHeaderOf } from './proxied-client.ts';
import type { SharedBounds } from './session-bounds.ts';

export interface Address {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
}

/** Certificate of a listener that speaks TLS, PEM. */
export interface ListenerIdentity {
  readonly key: string;
  readonly cert: string;
}

export interface ListenerOptions {
  readonly address: Address;
  /** `implicit`: TLS from the first octet. `starttls`: offered. `none`: neither. */
  readonly tls: 'none' | 'starttls' | 'implicit';
  /** Needed unless `tls` is `none`. */
  readonly identity?: ListenerIdentity | undefined;
  readonly networks: readonly string[];
  /** Balancers: each of their connections begins with a PROXY header, which says who the client is. */
  readonly proxyNetworks: readonly string[];
  /** Whose clients may use TLS 1.0 and 1.1. */
  readonly oldTlsNetworks: readonly string[];
  /** Undefined where clients do not log in. */
  readonly auth: ClientAuth | undefined;
  readonly bounds: SharedBounds;
}

/** How often sessions are looked after. */
const TEND_MS = 5_000;

export class Listener {
  readonly #server: RelayServer;
  readonly #options: ListenerOptions;
  readonly #relay: RelayContext;
  #tending: NodeJS.Timeout | undefined;

  constructor(options: ListenerOptions, relay: RelayContext) {
    this.#options = options;
    this.#relay = relay;
    this.#server = new RelayServer(options, relay);
  }

  /** Where it listens, once it does. */
  get address(): Address {
    const bound = this.#server.server.address();
    if (bound === null || typeof bound === 'string') return this.#options.address;
    return { host: bound.address, port: bound.port };
  }

  /** @throws {Error} with `code`, when the address cannot be had */
  async start(): Promise<void> {
    const { host, port } = this.#options.address;
    const listening = once(this.#server.server, 'listening'); // rejects on 'error'
    this.#server.listen(port, host);
    await listening;
    this.#tending = setInterval(() => this.#tend(), TEND_MS).unref();
    this.#relay.log.emit('listener.started', { ...this.address, tls: this.#options.tls === 'implicit' });
  }

  /** Presents another certificate in handshakes from now on. */
  present(identity: ListenerIdentity): void {
    this.#server.present(identity);
  }

  /** Accepts nobody more and ends idle sessions; resolves when the last transaction has ended. */
  async stop(): Promise<void> {
    const { address } = this;
    const closed = once(this.#server.server, 'close');
    this.#server.server.close();
    // A client whose TLS handshake is not done has no session that could end.
    for (const socket of this.#server._pendingSockets.values()) socket.destroy();
    for (const connection of this.#server.clients.keys()) connection.drain();
    await closed;
    clearInterval(this.#tending);
    this.#relay.log.emit('listener.stopped', address);
  }

  #tend(): void {
    const now = performance.now();
    for (const connection of this.#server.clients.keys()) connection.tend(now);
  }

  /** Ends what has not ended by itself. */
  kill(): void {
    for (const connection of this.#server.clients.keys()) connection._socket.destroy();
  }
}

class RelayServer extends SMTPServer {
  /** And the place that each has. */
  readonly clients = new Map<ClientConnection, ClientPlace | undefined>();
  readonly #networks: Networks;
  readonly #balancers: Networks;
  /** Undefined where nobody may use old TLS. */
  readonly #old: { readonly networks: Networks; readonly server: SMTPServer } | undefined;
  readonly #context: ConnectionContext;
  readonly #limits: ClientLimits;
  readonly #places = new WeakMap<Socket, ClientPlace>();
  /** Told, so that smtp-server does not ask the system for each connection; nobody looks at it. */
  readonly #local: { readonly localAddress: string; readonly localPort: number };

  constructor(options: ListenerOptions, relay: RelayContext) {
    super(serverOptions(options, relay));
    this.#networks = new Networks(options.networks);
    this.#balancers = new Networks(options.proxyNetworks);
    this.#old = oldFor(this, options);
    this.#local = { localAddress: options.address.host, localPort: options.address.port };
    this.#limits = options.bounds.limits;
    this.#context = {
      relay,
      auth: options.auth,
      offersStartTls: options.tls === 'starttls',
      bounds: options.bounds,
      ended: (connection) => {
        this.clients.get(connection)?.leave();
        this.clients.delete(connection);
      },
    };
    this.on('error', () => undefined); // one client's trouble; without a listener the process would die
  }

  present({ key, cert }: ListenerIdentity): void {
    this.updateSecureContext({ key, cert });
    if (this.#old !== undefined) presentInOldTls(this.#old.server, { key, cert });
  }

  /** Before anything is read from it. */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const over = this.#limits.enter();
    if (over !== undefined) return this.#turnAway(socket, over);
    const place = new ClientPlace(this.#limits);
    this.#places.set(socket, place);
    socket.once('close', () => place.leave());
    return super._acceptSocket(socket, handshake);
  }

  /** Asked by smtp-server, which ends a connection whose header does not come. */
  override _expectsProxyHeader(socket: Socket): boolean {
    return this.#balancers.has(socket.remoteAddress ?? '');
  }

  /** Theirs reads version 1 only, makes a longer id, and waits a turn. */
  override _handleProxy(
    socket: Socket,
    callback: (error: Error | null, options: SMTPConnectionOptions & { id: string }) => void,
  ): void {
    const options = { id: newId(), ...this.#local };
    const proceed = (remoteAddress = ''): void => {
      const over = this.#places.get(socket)?.countFor(remoteAddress);
      if (over === undefined) return callback(null, { ...options, remoteAddress });
      this.#turnAway(socket, over, remoteAddress);
      callback(new Error(over.limit), options);
    };
    if (!this._expectsProxyHeader(socket)) return proceed(socket.remoteAddress);
    void proxyHeaderOf(socket).then((header) => {
      if (typeof header === 'object') return proceed(header.client ?? socket.remoteAddress);
      if (header === undefined) socket.on('error', () => undefined).destroy();
      else this.#refuse(socket, header);
      callback(new Error(header ?? 'ended'), options);
    });
  }

  /** Of a listener that speaks TLS at once. Theirs gives a handshake the time that an idle session has. */
  override _upgrade(socket: Socket, callback: Parameters<SMTPServer['_upgrade']>[1]): void {
    const place = this.#places.get(socket);
    const timer = setTimeout(() => this._pendingSockets.get(socket)?.destroy(), HANDSHAKE_MS).unref();
    super._upgrade.call(this.#serverFor(place?.address ?? ''), socket, (error, secure) => {
      clearTimeout(timer);
      if (secure !== undefined && place !== undefined) this.#places.set(secure, place);
      callback(error, secure);
    });
  }

  /** Itself, or its likeness for old clients. */
  #serverFor(client: string): SMTPServer {
    return this.#old?.networks.has(client) === true ? this.#old.server : this;
  }

  override connect(socket: Socket, socketOptions?: SMTPConnectionOptions | null): void {
    const client = socketOptions?.remoteAddress ?? '';
    // A balancer that speaks for itself asks how we are.
    const isAdmitted = this.#networks.has(client) || this.#balancers.has(client);
    if (!isAdmitted) return this.#refuse(socket, 'foreign-network', client);
    const connection = new ClientConnection(
      this.#serverFor(client),
      socket,
      socketOptions ?? null,
      this.#context,
    );
    this.connections.add(connection);
    this.clients.set(connection, this.#places.get(socket));
    connection.init();
  }

  #refuse(socket: Socket, why: keyof typeof REFUSALS, client = socket.remoteAddress ?? ''): void {
    const { reason, text } = REFUSALS[why];
    this.#context.relay.log.emit('session.refused', { sid: newId(), client, reason });
    endWith(socket, `550 5.7.1 ${text}`);
  }

  #turnAway(socket: Socket, over: OverLimit, client = socket.remoteAddress ?? ''): false {
    tellLimit(over, newId(), client, this.#context.relay.log);
    endWith(socket, `${over.reply.code} ${over.reply.lines.join(' ')}`);
    return false;
  }
}

function endWith(socket: Socket, line: string): void {
  socket.on('error', () => undefined);
  socket.end(`${line}\r\n`);
  socket.destroySoon();
}

/** Who may not begin a session, by the word that the log has for it. */
const REFUSALS = {
  'foreign-network': {
    reason: 'not in SEALPOST_CLIENT_NETWORKS',
    text: 'This address may not send here; the operator allows it with SEALPOST_CLIENT_NETWORKS.',
  },
  'no-proxy-header': {
    reason: 'no PROXY header from SEALPOST_PROXY_NETWORKS',
    text: 'A connection from this address begins with a PROXY header, because it is in SEALPOST_PROXY_NETWORKS.',
  },
  'malformed-proxy-header': {
    reason: 'malformed PROXY header',
    text: 'The PROXY header is not understood.',
  },
} as const;

function oldFor(
  server: SMTPServer,
  { identity, oldTlsNetworks }: ListenerOptions,
): { readonly networks: Networks; readonly server: SMTPServer } | undefined {
  if (identity === undefined || oldTlsNetworks.length === 0) return undefined;
  return { networks: new Networks(oldTlsNetworks), server: withOldTls(server, identity) };
}

function serverOptions({ tls, identity, auth }: ListenerOptions, relay: RelayContext): SMTPServerOptions {
  // WIZ, SHELL and KILL answer with jokes; the others hand the session's identity to whoever asks.
  const disabledCommands = ['WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD'];
  if (tls !== 'starttls') disabledCommands.push('STARTTLS');
  if (auth === undefined) disabledCommands.push('AUTH');
  return {
    name: relay.hostname,
    banner: 'Sealpost',
    secure: tls === 'implicit',
    ...identity,
    minVersion: 'TLSv1.2',
    logger: false,
    disabledCommands,
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    authOptional: true, // AUTH, and whether MAIL needs it, is login.ts's to judge
    maxCommandLength: COMMAND_LINE_OCTETS,
    socketTimeout: CLIENT_IDLE_TIMEOUT_MS,
    // A script that pipes its dialog in closes its side first and still wants its message sent.
    allowHalfOpen: true,
    onConnect: (_session, callback) => callback(),
    onSecure: (_socket, _session, callback) => callback(),
  };
}
