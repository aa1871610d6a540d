/**
 * Reads a ClientHello (RFC 8446 §4.1.2): what the relay offers, seen from the wire.
 */
import type { Tampering } from './record-tampering.ts';

export interface ClientHello {
  /** Length of the whole record, octets. */
  readonly octets: number;
  /** Names of OpenSSL where it is one of RFC 9325, else `0x….` */
  readonly cipherSuites: readonly string[];
  /** By name, in order of preference. */
  readonly groups: readonly string[];
  /** Groups for which a key is sent at once. */
  readonly keyShares: readonly string[];
  /** `TLSv1.3`, `TLSv1.2`, … */
  readonly versions: readonly string[];
  /** SNI. */
  readonly serverName: string | undefined;
  /** A ticket or identity of an earlier session: in `pre_shared_key` (RFC 8446 §4.2.11) or `session_ticket` (RFC 5077). */
  readonly resumes: boolean;
  /** Legacy session id, hexadecimal; in TLS 1.3 32 random octets that mean nothing (RFC 8446 §4.1.2). */
  readonly sessionId: string;
}

const SERVER_NAME = 0;
const SUPPORTED_GROUPS = 10;
const SESSION_TICKET = 35;
const PRE_SHARED_KEY = 41;
const SUPPORTED_VERSIONS = 43;
const KEY_SHARE = 51;

const HANDSHAKE = 22;
/** Of the record and of the handshake message. */
const HEADERS_OCTETS = 5 + 4;
const CLIENT_HELLO = 1;

const GROUPS: ReadonlyMap<number, string> = new Map([
  [0x11ec, 'X25519MLKEM768'],
  [0x11eb, 'SecP256r1MLKEM768'],
  [0x11ed, 'SecP384r1MLKEM1024'],
  [0x001d, 'X25519'],
  [0x001e, 'X448'],
  [0x0017, 'P-256'],
  [0x0018, 'P-384'],
  [0x0019, 'P-521'],
]);

const CIPHER_SUITES: ReadonlyMap<number, string> = new Map([
  [0x1301, 'TLS_AES_128_GCM_SHA256'],
  [0x1302, 'TLS_AES_256_GCM_SHA384'],
  [0x1303, 'TLS_CHACHA20_POLY1305_SHA256'],
  [0xc02b, 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  [0xc02c, 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  [0xc02f, 'ECDHE-RSA-AES128-GCM-SHA256'],
  [0xc030, 'ECDHE-RSA-AES256-GCM-SHA384'],
  [0xcca8, 'ECDHE-RSA-CHACHA20-POLY1305'],
  [0xcca9, 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  [0x00ff, 'TLS_EMPTY_RENEGOTIATION_INFO_SCSV'],
]);

const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x0301, 'TLSv1'],
  [0x0302, 'TLSv1.1'],
  [0x0303, 'TLSv1.2'],
  [0x0304, 'TLSv1.3'],
]);

/** Sits on the wire, changes nothing and keeps every ClientHello. One for each upstream: connections share it. */
export class HelloKeeper implements Tampering {
  readonly hellos: ClientHello[] = [];

  readonly fromRelay = (record: Buffer): Buffer => {
    if (!isClientHello(record)) return record;
    const hello = readClientHello(record);
    this.hellos.push(hello);
    return this.pass(hello) ? record : Buffer.alloc(0);
  };

  /** Whether the ClientHello reaches the server. */
  protected pass(_hello: ClientHello): boolean {
    return true;
  }
}

/** What the keeper in a script has kept. */
export function hellosIn({ tamper }: { readonly tamper?: Tampering }): readonly ClientHello[] {
  if (!(tamper instanceof HelloKeeper)) throw new TypeError('nobody keeps the ClientHellos of this script');
  return tamper.hellos;
}

/** Whether a TLS record begins a handshake. Within TLS 1.2 the first octet of an encrypted Finished is anything: its length tells. */
function isClientHello(record: Buffer): boolean {
  return (
    record[0] === HANDSHAKE &&
    record[5] === CLIENT_HELLO &&
    record.readUIntBE(6, 3) === record.length - HEADERS_OCTETS
  );
}

/** @param record one TLS record that has the whole of it */
function readClientHello(record: Buffer): ClientHello {
  const message = new Reader(record.subarray(HEADERS_OCTETS));
  const legacyVersion = message.number(2);
  message.take(32); // random
  const sessionId = message.vector(1);
  const cipherSuites = numbers(message.vector(2));
  message.vector(1); // compression
  const extensions = readExtensions(message.vector(2));
  const groups = extensions.get(SUPPORTED_GROUPS);
  const versions = extensions.get(SUPPORTED_VERSIONS);
  return {
    octets: record.length,
    cipherSuites: cipherSuites.map((suite) => named(CIPHER_SUITES, suite)),
    groups:
      groups === undefined ? [] : numbers(new Reader(groups).vector(2)).map((one) => named(GROUPS, one)),
    keyShares: readKeyShares(extensions.get(KEY_SHARE)),
    versions: (versions === undefined ? [legacyVersion] : numbers(new Reader(versions).vector(1))).map(
      (one) => named(VERSIONS, one),
    ),
    serverName: readServerName(extensions.get(SERVER_NAME)),
    resumes: extensions.has(PRE_SHARED_KEY) || (extensions.get(SESSION_TICKET)?.length ?? 0) > 0,
    sessionId: sessionId.toString('hex'),
  };
}

function readExtensions(octets: Buffer): ReadonlyMap<number, Buffer> {
  const extensions = new Map<number, Buffer>();
  const reader = new Reader(octets);
  while (reader.hasMore) extensions.set(reader.number(2), reader.vector(2));
  return extensions;
}

/** RFC 8446 §4.2.8 */
function readKeyShares(octets: Buffer | undefined): readonly string[] {
  if (octets === undefined) return [];
  const shares: string[] = [];
  const reader = new Reader(new Reader(octets).vector(2));
  while (reader.hasMore) {
    shares.push(named(GROUPS, reader.number(2)));
    reader.vector(2);
  }
  return shares;
}

/** RFC 6066 §3 */
function readServerName(octets: Buffer | undefined): string | undefined {
  if (octets === undefined) return undefined;
  const list = new Reader(new Reader(octets).vector(2));
  list.number(1); // host_name
  return list.vector(2).toString('latin1');
}

function numbers(octets: Buffer): readonly number[] {
  const found: number[] = [];
  const reader = new Reader(octets);
  while (reader.hasMore) found.push(reader.number(2));
  return found;
}

function named(names: ReadonlyMap<number, string>, code: number): string {
  return names.get(code) ?? `0x${code.toString(16).padStart(4, '0')}`;
}

/** RFC 8446 §3: numbers, and vectors with their length before them. */
class Reader {
  #octets: Buffer;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get hasMore(): boolean {
    return this.#octets.length > 0;
  }

  take(length: number): Buffer {
    if (length > this.#octets.length) throw new RangeError('the ClientHello ends too early');
    const taken = this.#octets.subarray(0, length);
    this.#octets = this.#octets.subarray(length);
    return taken;
  }

  number(length: 1 | 2): number {
    return this.take(length).readUIntBE(0, length);
  }

  vector(lengthOctets: 1 | 2): Buffer {
    return this.take(this.number(lengthOctets));
  }
}
