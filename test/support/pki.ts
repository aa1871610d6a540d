/**
 * Certificates for tests, right and wrong, made by openssl at run time: an implementation nobody here wrote.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Identity {
  /** PEM private key. */
  readonly key: string;
  /** PEM certificate, followed by what the server is to send with it. */
  readonly cert: string;
}

export interface Wish {
  /** subjectAltName as openssl writes it, e.g. `DNS:localhost,IP:127.0.0.1`; '' for none. */
  readonly san?: string;
  readonly commonName?: string;
  /** `YYYYMMDDHHMMSSZ` */
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly extendedKeyUsage?: string;
  /** openssl's name: `rsa:2048`, `rsa:1024`, `ec`. */
  readonly key?: string;
  /** An identity whose key is used again, for another certificate over it. */
  readonly keyOf?: Identity;
  readonly digest?: string;
  /** Issued by an intermediate; the intermediate is sent along unless `omitIntermediate`. */
  readonly intermediate?: boolean;
  readonly omitIntermediate?: boolean;
  /** `false` makes the intermediate an ordinary certificate that has no right to issue another. */
  readonly intermediateIsAuthority?: boolean;
  readonly intermediateNotAfter?: string;
  readonly selfSigned?: boolean;
}

/** A certificate authority of its own, in a directory of its own. */
export class TestAuthority {
  readonly directory = mkdtempSync(join(tmpdir(), 'sealpost-pki-'));
  /** Path of the CA certificate, for SEALPOST_TLS_CA_FILE. */
  readonly caFile = join(this.directory, 'ca.pem');
  #count = 0;

  constructor(commonName = 'Sealpost test CA') {
    this.#newKey('ca', 'ec');
    this.#openssl(['req', '-new', '-key', 'ca.key', '-subj', `/CN=${commonName}`, '-out', 'ca.csr']);
    this.#sign('ca', { selfSigned: true }, CA_EXTENSIONS);
  }

  get caPem(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  /** A certificate as wished; without wishes a good one for localhost, 127.0.0.1 and ::1. */
  issue(wish: Wish = {}): Identity {
    const name = `leaf${(this.#count += 1)}`;
    if (wish.keyOf === undefined) this.#newKey(name, wish.key ?? 'ec');
    else this.#write(`${name}.key`, wish.keyOf.key);
    const subject = wish.commonName === undefined ? '/O=Sealpost test' : `/CN=${wish.commonName}`;
    this.#openssl(['req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`]);
    if (wish.intermediate === true) this.#makeIntermediate(wish);
    const san = wish.san ?? 'DNS:localhost,IP:127.0.0.1,IP:::1';
    const extensions = [...LEAF_EXTENSIONS, `extendedKeyUsage=${wish.extendedKeyUsage ?? 'serverAuth'}`];
    if (san !== '') extensions.push(`subjectAltName=${san}`);
    this.#sign(name, wish, extensions);
    const chain =
      wish.intermediate === true && wish.omitIntermediate !== true ? this.#read('intermediate.pem') : '';
    return { key: this.#read(`${name}.key`), cert: this.#read(`${name}.pem`) + chain };
  }

  /** The value of SEALPOST_TLS_PIN_SHA256 for an identity. */
  pin(identity: Identity): string {
    const spki = execFileSync('openssl', ['x509', '-pubkey', '-noout'], { input: identity.cert });
    const der = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'DER'], { input: spki });
    return execFileSync('openssl', ['dgst', '-sha256', '-binary'], { input: der }).toString('base64');
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #makeIntermediate(wish: Wish): void {
    this.#newKey('intermediate', 'ec');
    this.#openssl([
      'req',
      '-new',
      '-key',
      'intermediate.key',
      '-subj',
      '/CN=Intermediate',
      '-out',
      'intermediate.csr',
    ]);
    const dates = wish.intermediateNotAfter === undefined ? {} : { notAfter: wish.intermediateNotAfter };
    const isAuthority = wish.intermediateIsAuthority ?? true;
    this.#sign('intermediate', dates, isAuthority ? CA_EXTENSIONS : LEAF_EXTENSIONS);
  }

  #newKey(name: string, kind: string): void {
    const [algorithm, bits] = kind.split(':');
    const options =
      algorithm === 'rsa'
        ? ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits ?? '2048'}`]
        : ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    this.#openssl(['genpkey', ...options, '-out', `${name}.key`]);
  }

  /** `openssl ca` is the one command that can choose both dates. */
  #sign(name: string, wish: Wish, extensions: readonly string[]): void {
    const issuer = wish.intermediate === true ? 'intermediate' : 'ca';
    const self = wish.selfSigned === true;
    this.#write('index.txt', '');
    this.#write('index.txt.attr', 'unique_subject = no\n');
    this.#write('serial', `${Date.now().toString(16)}${(this.#count += 1).toString(16)}`.padStart(20, '1'));
    this.#write(
      'ca.cnf',
      `[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\npolicy=p\ndefault_md=${wish.digest ?? 'sha256'}\n` +
        `[p]\ncommonName=optional\norganizationName=optional\n[x]\n${extensions.join('\n')}\n`,
    );
    const dates = [
      '-startdate',
      wish.notBefore ?? '20250101000000Z',
      '-enddate',
      wish.notAfter ?? '20360101000000Z',
    ];
    const signer = self
      ? ['-selfsign', '-keyfile', `${name}.key`]
      : ['-cert', `${issuer}.pem`, '-keyfile', `${issuer}.key`];
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extensions', 'x', '-config', 'ca.cnf'];
    this.#openssl(['ca', '-batch', '-notext', ...signer, ...dates, ...files]);
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.directory, stdio: ['ignore', 'ignore', 'pipe'] });
  }

  #read(file: string): string {
    return readFileSync(join(this.directory, file), 'utf8');
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }
}

const LEAF_EXTENSIONS = ['basicConstraints=critical,CA:FALSE'];
const CA_EXTENSIONS = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
