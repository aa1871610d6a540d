/**
 * A provider as it is seen from outside, on a loopback address of its own with its real ports.
 *
 * Guarantees: what reached it is on record: messages with account and session, and the octets in clear and inside TLS.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

import { Account, type AccountWish } from '../../../src/sandbox/provider/account.ts';
import type { Profile, Submission } from '../../../src/sandbox/provider/profile.ts';
import { SimulatedSession } from '../../../src/sandbox/provider/simulated-session.ts';
import type { TestAuthority, Identity } from '../pki.ts';
import type { Connection } from '../scripted-connection.ts';
import { ScriptedUpstream } from '../scripted-upstream.ts';

export interface Delivered extends Submission {
  /** As the provider passes it on. */
  readonly delivered: Buffer;
}

export interface SimulationOptions {
  readonly profile: Profile;
  readonly accounts: readonly AccountWish[];
  /** Who issues its certificate; it signs itself where the profile has nothing but an address. */
  readonly authority: TestAuthority;
  /** Where to listen; an address of loopback that nobody else uses by default. */
  readonly address?: string;
}

export class ProviderSimulation implements AsyncDisposable {
  readonly profile: Profile;
  readonly accounts: readonly Account[];
  readonly messages: Delivered[] = [];
  readonly sessions: SimulatedSession[] = [];
  readonly identity: Identity;
  /** What a client must trust, PEM. */
  readonly anchor: string;
  /** Connections to ports that say nothing. */
  swallowed = 0;
  address = '';
  readonly #upstreams = new Map<number, ScriptedUpstream>();
  readonly #silent: Server[] = [];
  readonly #swallowed = new Set<Socket>();
  readonly #sessionOf = new WeakMap<Connection, SimulatedSession>();
  #ids = 0;

  private constructor({ profile, accounts, authority }: SimulationOptions) {
    this.profile = profile;
    this.accounts = accounts.map((wish) => new Account(wish));
    const { onlyAddress, hosts } = profile;
    const names = hosts.map((host) => `DNS:${host}`).join(',');
    this.identity =
      onlyAddress === undefined
        ? authority.issue({ san: names })
        : authority.issue({ san: `IP:${onlyAddress}`, selfSigned: true });
    this.anchor = onlyAddress === undefined ? authority.caPem : this.identity.cert;
  }

  /** @throws what listen throws, EACCES included */
  static async start(options: SimulationOptions): Promise<ProviderSimulation> {
    for (let tries = 1; ; tries += 1) {
      const simulation = new ProviderSimulation(options);
      try {
        await simulation.#listen(options.address ?? options.profile.onlyAddress ?? ownAddress());
        return simulation;
      } catch (error) {
        await simulation[Symbol.asyncDispose]();
        const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
        if (!isTaken || tries === 5 || options.address !== undefined) throw error;
      }
    }
  }

  /** The first account. */
  get account(): Account {
    const [first] = this.accounts;
    if (first === undefined) throw new Error('the simulation has no account');
    return first;
  }

  /** What stands behind a port; the port of the profile 0 has any number. */
  at(port: number): ScriptedUpstream {
    const upstream = this.#upstreams.get(port);
    if (upstream === undefined) throw new Error(`nothing is behind port ${port}`);
    return upstream;
  }

  get #all(): readonly ScriptedUpstream[] {
    return [...this.#upstreams.values()];
  }

  /** Everything that came outside TLS, ClientHello and TLS records excluded. */
  get clear(): string {
    return this.#all.map(({ clear }) => clear).join('');
  }

  /** Command lines inside TLS, connection by connection. */
  get dialogs(): readonly (readonly string[])[] {
    return this.#all.flatMap(({ connections }) => connections.map(({ commands }) => commands));
  }

  get connections(): number {
    return this.#all.reduce((sum, { connections }) => sum + connections.length, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#swallowed) socket.destroy();
    await Promise.all([
      ...this.#all.map(async (upstream) => upstream[Symbol.asyncDispose]()),
      ...this.#silent.map(async (server) => {
        const closed = once(server, 'close');
        server.close();
        await closed;
      }),
    ]);
  }

  async #listen(address: string): Promise<void> {
    this.address = address;
    for (const [text, kind] of Object.entries(this.profile.ports)) {
      const port = Number(text);
      if (kind === 'silent') await this.#listenSilently(port);
      else this.#upstreams.set(port, await this.#listenAloud(port, kind));
    }
  }

  async #listenAloud(port: number, mode: 'implicit' | 'starttls'): Promise<ScriptedUpstream> {
    return ScriptedUpstream.start({
      mode,
      identity: this.identity,
      host: this.address,
      port,
      greeting: `${this.profile.greeting}\r\n`,
      onConnection: (at) => this.#begin(at),
      answer: (line, at) => this.#session(at).answer(line),
      verdict: async (message, at) => this.#session(at).verdict(message.content),
    });
  }

  async #listenSilently(port: number): Promise<void> {
    const server = createServer((socket) => {
      this.swallowed += 1;
      this.#swallowed.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#swallowed.delete(socket));
    });
    this.#silent.push(server);
    server.listen(port, this.address);
    await once(server, 'listening');
  }

  #begin(at: Connection): void {
    const session = new SimulatedSession(at, {
      profile: this.profile,
      accounts: this.accounts,
      newId: () => `SIM${(this.#ids += 1)}`,
      accepted: (submission, delivered) => this.messages.push({ ...submission, delivered }),
    });
    this.sessions.push(session);
    this.#sessionOf.set(at, session);
  }

  #session(at: Connection): SimulatedSession {
    const session = this.#sessionOf.get(at);
    if (session === undefined) throw new Error('a connection without a session');
    return session;
  }
}

function anyPart(): number {
  return 1 + Math.floor(Math.random() * 253);
}

/** One of three million; whoever finds it taken asks again. */
function ownAddress(): string {
  return `127.${200 + (anyPart() % 50)}.${anyPart()}.${anyPart()}`;
}
