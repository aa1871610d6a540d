/**
 * DNSSEC of a test's own: nsd serves a signed root, `test.` and zones beneath it, right and wrong; unbound validates
 * them with the test's trust anchor. The machine's own resolver is left alone.
 */
import { execFile } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

import type { TlsaRecord } from '../../../src/tls/tlsa.ts';
import type { Identity } from '../pki.ts';
import { Daemon } from './daemon.ts';
import { freePorts, WorkDirectory } from './peer.ts';

/**
 * - `secure.test`: signed, vouched for by its parent
 * - `insecure.test`: unsigned, and its parent says so
 * - `island.test`: signed, but its parent does not vouch for it
 * - `bogus.test`: signed with another key than the one its parent vouches for
 * - `expired.test`: its signatures have expired
 *
 * Besides there are `silent.test`, whose server never answers, and `refused.test`, whose server refuses to.
 */
export type ZoneKind = 'secure' | 'insecure' | 'island' | 'bogus' | 'expired';

export interface ZoneRecords {
  /**
   * Lines of a zone file, owners relative to the zone: `mx IN A 127.0.0.1`. Each zone has 127.0.0.1 for itself and for
   * `smtp` already.
   */
  readonly records?: Partial<Readonly<Record<ZoneKind, readonly string[]>>>;
  /** Records of `secure.test` whose signature is spoiled afterwards. */
  readonly spoiled?: readonly { readonly owner: string; readonly type: string }[];
}

export interface DnssecOptions extends ZoneRecords {
  /** Lets the resolver speak DNS over TLS too. */
  readonly identity?: Identity;
}

/** A line for `records`. */
export function tlsaLine(
  port: number,
  host: string,
  { usage, selector, matchingType, data }: TlsaRecord,
): string {
  return `_${port}._tcp.${host} IN TLSA ${usage} ${selector} ${matchingType} ${data.toString('hex')}`;
}

export async function startDnssec(options: DnssecOptions = {}): Promise<Dnssec> {
  await using started = new AsyncDisposableStack();
  const work = started.use(new WorkDirectory('dnssec'));
  const [authoritative = 0, resolver = 0, overTls = 0] = await freePorts(3);
  const silent = await simpleServer();
  started.defer(() => void silent.close());
  const refusing = await simpleServer(refusal);
  started.defer(() => void refusing.close());
  const others = { 'silent.test': silent.address().port, 'refused.test': refusing.address().port };
  const ports = { authoritative, resolver, overTls, others };
  const dnssec = new Dnssec(work, ports, options.identity);
  started.use(dnssec);
  await makeKeys(work);
  await dnssec.publish(options);
  dnssec.owns(started.move());
  return dnssec;
}

interface Ports {
  readonly authoritative: number;
  readonly resolver: number;
  readonly overTls: number;
  /** Of zones that are not nsd's. */
  readonly others: Readonly<Record<string, number>>;
}

export class Dnssec implements AsyncDisposable {
  readonly #work: WorkDirectory;
  readonly #ports: Ports;
  readonly #identity: Identity | undefined;
  #servers: AsyncDisposableStack | undefined;
  #rest: AsyncDisposableStack | undefined;

  constructor(work: WorkDirectory, ports: Ports, identity: Identity | undefined) {
    this.#work = work;
    this.#ports = ports;
    this.#identity = identity;
  }

  /** The validating resolver, as SEALPOST_DNS_RESOLVER names it. */
  get resolver(): string {
    return `127.0.0.1:${this.#ports.resolver}`;
  }

  /** Port of the validating resolver for DNS over TLS, on 127.0.0.1. */
  get overTlsPort(): number {
    if (this.#identity === undefined) throw new Error('no identity was given for DNS over TLS');
    return this.#ports.overTls;
  }

  /** The server of the zones: it answers, and validates nothing. */
  get authoritative(): string {
    return `127.0.0.1:${this.#ports.authoritative}`;
  }

  /** Serves these records from now on, and nothing of before; nothing is kept in the resolver either. */
  async publish(zones: ZoneRecords): Promise<void> {
    await writeZones(this.#work, zones);
    await this.#servers?.disposeAsync();
    await using starting = new AsyncDisposableStack();
    const [nsd, unbound] = await Promise.allSettled([
      startNsd(this.#work, this.#ports),
      startUnbound(this.#work, this.#ports, this.#identity),
    ]);
    for (const server of [nsd, unbound]) if (server.status === 'fulfilled') starting.use(server.value);
    for (const server of [nsd, unbound]) if (server.status === 'rejected') throw server.reason;
    this.#servers = starting.move();
  }

  /** Takes over what must end after the servers. */
  owns(rest: AsyncDisposableStack): void {
    this.#rest = rest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [servers, rest] = [this.#servers, this.#rest];
    this.#servers = undefined;
    this.#rest = undefined;
    await servers?.disposeAsync();
    await rest?.disposeAsync();
  }
}

const run = promisify(execFile);

const KINDS: readonly ZoneKind[] = ['secure', 'insecure', 'island', 'bogus', 'expired'];
const SIGNED: readonly ZoneKind[] = ['secure', 'island', 'bogus', 'expired'];
/** The whole tree, parents first, by the names of their files. */
const ZONES: readonly string[] = ['root', 'test', ...KINDS.map((kind) => `${kind}.test`)];
const DAY_MS = 86_400_000;

function originOf(zone: string): string {
  return zone === 'root' ? '.' : `${zone}.`;
}

/** One key a zone, which signs the keys and the rest (RFC 6781 §3.1). */
async function makeKeys(work: WorkDirectory): Promise<void> {
  const directory = work.directory('keys');
  const zones = ['root', 'test', ...SIGNED.map((kind) => `${kind}.test`)];
  await Promise.all(
    zones.map(async (zone) => {
      const options = ['-r', '/dev/urandom', '-a', 'ECDSAP256SHA256', '-k', originOf(zone)];
      const { stdout } = await run('ldns-keygen', options, { cwd: directory });
      work.file(`keys/${zone}.name`, stdout.trim());
    }),
  );
  work.file('anchor.ds', await dsOf(work, 'root'));
}

/** The path of a zone's key, without its ending. */
function keyOf(work: WorkDirectory, zone: string): string {
  return work.at('keys', readFileSync(work.at('keys', `${zone}.name`), 'utf8'));
}

/** The DS record with which a parent vouches for the zone. */
async function dsOf(work: WorkDirectory, zone: string): Promise<string> {
  const { stdout } = await run('ldns-key2ds', ['-n', '-2', `${keyOf(work, zone)}.key`]);
  return stdout;
}

async function writeZones(work: WorkDirectory, { records = {}, spoiled = [] }: ZoneRecords): Promise<void> {
  for (const kind of KINDS) {
    const hosts = ['@ IN A 127.0.0.1', 'smtp IN A 127.0.0.1', ...(records[kind] ?? [])];
    writeZone(work, `${kind}.test`, hosts);
  }
  const delegated = [...KINDS, 'silent', 'refused'].map((kind) => `${kind} IN NS ns`);
  // The parent vouches for the key of another zone.
  const bogus = (await dsOf(work, 'island.test')).replace(/^island/, 'bogus');
  const vouched = [await dsOf(work, 'secure.test'), await dsOf(work, 'expired.test'), bogus];
  writeZone(work, 'test', ['ns IN A 127.0.0.1', ...delegated, ...vouched]);
  writeZone(work, 'root', ['test. IN NS ns.test.', 'ns.test. IN A 127.0.0.1', await dsOf(work, 'test')]);
  const expired = ['-i', day(-40), '-e', day(-10)];
  await Promise.all(
    ['root', 'test', ...SIGNED.map((kind) => `${kind}.test`)].map(async (zone) => {
      await sign(work, zone, zone === 'expired.test' ? expired : []);
    }),
  );
  for (const { owner, type } of spoiled) spoil(work, owner, type);
}

function writeZone(work: WorkDirectory, zone: string, lines: readonly string[]): void {
  const head = [
    `$ORIGIN ${originOf(zone)}`,
    '$TTL 300',
    '@ IN SOA ns.test. host.test. 1 300 300 86400 60',
    '@ IN NS ns.test.',
  ];
  work.file(`zones/${zone}`, `${[...head, ...lines].join('\n')}\n`);
}

async function sign(work: WorkDirectory, zone: string, dates: readonly string[]): Promise<void> {
  const file = work.at('zones', zone);
  await run('ldns-signzone', ['-n', ...dates, '-f', file, file, keyOf(work, zone)]);
}

/** `YYYYMMDD` */
function day(fromToday: number): string {
  return new Date(Date.now() + fromToday * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '');
}

/** Changes one character of a signature in `secure.test`. */
function spoil(work: WorkDirectory, owner: string, type: string): void {
  const file = work.at('zones', 'secure.test');
  const text = readFileSync(file, 'utf8');
  const start = `${owner}.secure.test.`.replace(/^@\./, '');
  let count = 0;
  const lines = text.split('\n').map((line) => {
    const [name, , , signature, covered] = line.split(/\s+/);
    if (name !== start || signature !== 'RRSIG' || covered !== type) return line;
    count += 1;
    return line.replace(/(.)(.{20})$/, (_, one: string, rest: string) => (one === 'A' ? 'B' : 'A') + rest);
  });
  if (count === 0) throw new Error(`secure.test has no signature of ${owner} ${type}`);
  writeFileSync(file, lines.join('\n'));
}

async function startNsd(work: WorkDirectory, { authoritative }: Ports): Promise<Daemon> {
  const server = [
    `ip-address: 127.0.0.1@${authoritative}`,
    'server-count: 1',
    'username: ""',
    'chroot: ""',
    `zonesdir: "${work.at('zones')}"`,
    'database: ""',
    `zonelistfile: "${work.at('zone.list')}"`,
    `xfrdfile: "${work.at('xfrd.state')}"`,
    `xfrdir: "${work.path}"`,
    `cookie-secret-file: "${work.at('cookie-secrets')}"`,
    `pidfile: "${work.at('nsd.pid')}"`,
    'verbosity: 1',
  ];
  const zones = ZONES.map((zone) => section('zone', [`name: "${originOf(zone)}"`, `zonefile: "${zone}"`]));
  const file = work.file(
    'nsd.conf',
    [section('server', server), section('remote-control', ['control-enable: no']), ...zones].join(''),
  );
  return Daemon.start({ command: '/usr/sbin/nsd', args: ['-d', '-c', file], ready: /nsd started/ });
}

async function startUnbound(
  work: WorkDirectory,
  { resolver, authoritative, overTls, others }: Ports,
  identity: Identity | undefined,
): Promise<Daemon> {
  const server = [
    `interface: 127.0.0.1@${resolver}`,
    'num-threads: 1',
    'username: ""',
    'chroot: ""',
    `directory: "${work.path}"`,
    `pidfile: "${work.at('unbound.pid')}"`,
    'use-syslog: no',
    'logfile: ""',
    'verbosity: 1',
    'trust-anchor-signaling: no',
    'root-key-sentinel: no',
    'do-not-query-localhost: no',
    `trust-anchor-file: "${work.at('anchor.ds')}"`,
    'local-zone: "test." nodefault',
    // A server that was silent once is asked again, or the second question would draw SERVFAIL at once.
    'infra-keep-probing: yes',
    'infra-host-ttl: 1',
  ];
  if (identity !== undefined) {
    const { keyFile, certFile } = work.identity(identity);
    server.push(`interface: 127.0.0.1@${overTls}`, `tls-port: ${overTls}`);
    server.push(`tls-service-key: "${keyFile}"`, `tls-service-pem: "${certFile}"`);
  }
  // One stub for each zone: unbound would follow a delegation that it has cached, to port 53, past a stub of the root.
  const stubs = [...ZONES, ...Object.keys(others)].map((zone) => {
    const address = `stub-addr: 127.0.0.1@${others[zone] ?? authoritative}`;
    return section('stub-zone', [`name: "${originOf(zone)}"`, address]);
  });
  const file = work.file(
    'unbound.conf',
    [section('server', server), section('remote-control', ['control-enable: no']), ...stubs].join(''),
  );
  return Daemon.start({ command: '/usr/sbin/unbound', args: ['-d', '-c', file], ready: /start of service/ });
}

function section(name: string, lines: readonly string[]): string {
  return `${name}:\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** A server that says nothing, or the same to every query. */
async function simpleServer(answer?: (query: Buffer) => Buffer): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    if (answer !== undefined) socket.send(answer(query), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** REFUSED (RFC 1035 §4.1.1). */
function refusal(query: Buffer): Buffer {
  const response = Buffer.from(query);
  response.writeUInt8(query.readUInt8(2) | 0x80, 2);
  response.writeUInt8(5, 3);
  return response;
}
