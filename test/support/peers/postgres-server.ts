/**
 * PostgreSQL, as Debian has it: on loopback with SCRAM, with TLS or without, and on a socket.
 */
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';

import type { Identity } from '../pki.ts';
import { Daemon } from './daemon.ts';
import { freePorts, NOBODY, WorkDirectory } from './peer.ts';

const USER = 'alice';

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly user = USER;
  readonly #password: string;
  readonly #programs: string;
  readonly #work: WorkDirectory;
  readonly #settings: Readonly<Record<string, string>>;
  #daemon: Daemon | undefined;
  #databases = 0;

  private constructor(work: WorkDirectory, programs: string, settings: Settings) {
    this.#work = work;
    this.#programs = programs;
    this.#password = settings.password;
    this.port = settings.port;
    const { keyFile, certFile } =
      settings.identity === undefined
        ? { keyFile: '', certFile: '' }
        : work.identity(settings.identity, NOBODY);
    this.#settings = {
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: this.socketDirectory,
      fsync: 'off',
      ...(settings.identity === undefined
        ? { ssl: 'off' }
        : { ssl: 'on', ssl_cert_file: certFile, ssl_key_file: keyFile }),
    };
  }

  /**
   * Runs as nobody; must be started by root.
   *
   * @param identity undefined for one without TLS
   */
  static async start(identity: Identity | undefined, password: string): Promise<PostgresServer> {
    const [programs] = globSync('/usr/lib/postgresql/*/bin');
    if (programs === undefined) throw new Error('PostgreSQL is missing: run scripts/peers');
    const [port] = await freePorts(1);
    if (port === undefined) throw new Error('no free port');
    const work = new WorkDirectory('postgres');
    try {
      makeCluster(work, programs, password);
      const server = new PostgresServer(work, programs, { identity, password, port });
      await server.run();
      return server;
    } catch (error) {
      work[Symbol.dispose]();
      throw error;
    }
  }

  get socketDirectory(): string {
    return this.#work.directory('socket', NOBODY);
  }

  /** Resolves when it takes connections (again). */
  async run(): Promise<void> {
    const settings = Object.entries(this.#settings);
    this.#daemon = await Daemon.start({
      command: `${this.#programs}/postgres`,
      args: ['-D', this.#work.at('data'), ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      ready: /ready to accept connections/,
      uid: NOBODY,
      gid: NOBODY,
    });
  }

  /** Ends sessions and stops, as for an upgrade. */
  async stop(): Promise<void> {
    await this.#daemon?.end('SIGINT');
    this.#daemon = undefined;
  }

  /** As if it had crashed: it says nothing to anybody, and recovers when it runs again. */
  async crash(): Promise<void> {
    await this.#daemon?.end('SIGQUIT');
    this.#daemon = undefined;
  }

  /** A new and empty one. @returns its name */
  newDatabase(): string {
    this.#databases += 1;
    const name = `spool${this.#databases}`;
    this.sql('postgres', `CREATE DATABASE ${name}`);
    return name;
  }

  /** For SEALPOST_SPOOL, by loopback. */
  url(database: string, options = ''): string {
    return `postgres://${USER}:${encodeURIComponent(this.#password)}@localhost:${this.port}/${database}${options}`;
  }

  /** The same by the socket. */
  socketUrl(database: string): string {
    const path = encodeURIComponent(this.socketDirectory);
    return `postgres://${USER}:${encodeURIComponent(this.#password)}@${path}:${this.port}/${database}`;
  }

  /** @returns what it prints, a row a line */
  sql(database: string, statement: string): string {
    const where = ['-h', this.socketDirectory, '-p', String(this.port), '-U', USER, '-d', database];
    return execFileSync(`${this.#programs}/psql`, [...where, '-X', '-A', '-t', '-q', '-c', statement], {
      env: { PGPASSWORD: this.#password },
      encoding: 'utf8',
    }).trim();
  }

  /** At once, whoever is connected. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
    this.#work[Symbol.dispose]();
  }
}

interface Settings {
  readonly identity: Identity | undefined;
  readonly password: string;
  readonly port: number;
}

function makeCluster(work: WorkDirectory, programs: string, password: string): void {
  const options = [
    `--pgdata=${work.directory('data', NOBODY)}`,
    `--username=${USER}`,
    '--auth=scram-sha-256',
    `--pwfile=${work.file('password', password)}`,
    '--encoding=UTF8',
    '--no-sync',
  ];
  execFileSync(`${programs}/initdb`, options, { uid: NOBODY, gid: NOBODY, stdio: 'pipe' });
}
