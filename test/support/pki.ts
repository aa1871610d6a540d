/**
 * Certificates for tests, right and wrong, made by openssl at run time: an implementation nobody here wrote.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  authorityExtensions,
  leafExtensions,
  newKeyArguments,
  type IntermediateWish,
  type KeyKind,
  type LeafWish,
} from './pki-extensions.ts';

export { rawDnsNames, srvName, type IntermediateWish } from './pki-extensions.ts';

export interface Identity {
  /** PEM private key. */
  readonly key: string;
  /** PEM certificate, followed by what the server is to send with it. */
  readonly cert: string;
}

export interface Wish extends LeafWish {
  /** An identity whose key is used again, for another certificate over it. */
  readonly keyOf?: Identity;
  /** Issued by an intermediate; it is sent along, and what it is under, unless `omitIntermediate`. */
  readonly intermediate?: boolean | IntermediateWish;
  readonly omitIntermediate?: boolean;
  readonly selfSigned?: boolean;
}

/** Who signs: a pair of files, and what a server sends of it. */
interface Issuer {
  readonly name: string;
  /** PEM, up to the root and without it. */
  readonly chain: string;
}

interface Signature {
  readonly extensions: readonly string[];
  readonly notBefore?: string | undefined;
  readonly notAfter?: string | undefined;
  readonly digest?: string | undefined;
  /** Without one the certificate signs itself. */
  readonly issuer?: Issuer | undefined;
}

const DIRECTORIES = new Set<string>();
process.on('exit', () => {
  for (const directory of DIRECTORIES) rmSync(directory, { recursive: true, force: true });
});

/** A certificate authority of its own, in a directory of its own. */
export class TestAuthority {
  readonly directory = mkdtempSync(join(tmpdir(), 'sealpost-pki-'));
  /** Path of the CA certificate, for SEALPOST_TLS_CA_FILE. */
  readonly caFile = join(this.directory, 'ca.pem');
  readonly #intermediates = new Map<string, Issuer>();
  #count = 0;

  constructor(commonName = 'Sealpost test CA', key: KeyKind = 'ec') {
    DIRECTORIES.add(this.directory);
    this.#request('ca', `/CN=${commonName}`, key);
    this.#sign('ca', { extensions: authorityExtensions() });
  }

  get caPem(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  /** The authority's own key and certificate. */
  get identity(): Identity {
    return this.#identity({ name: 'ca', chain: '' });
  }

  /** A certificate as wished; without wishes a good one for localhost, 127.0.0.1 and ::1. */
  issue(wish: Wish = {}): Identity {
    const name = this.#newName('leaf');
    if (wish.keyOf !== undefined) this.#write(`${name}.key`, wish.keyOf.key);
    const subject = wish.commonName === undefined ? '/O=Sealpost test' : `/CN=${wish.commonName}`;
    this.#request(name, subject, wish.keyOf === undefined ? (wish.key ?? 'ec') : undefined);
    const issuer = wish.selfSigned === true ? undefined : this.#issuer(wish.intermediate ?? false);
    this.#sign(name, { ...wish, extensions: leafExtensions(wish), issuer });
    return this.#identity({ name, chain: wish.omitIntermediate === true ? '' : (issuer?.chain ?? '') });
  }

  /** The intermediate that leaves of the same wish are issued by: key and certificate, and what it is under. */
  intermediate(wish: IntermediateWish = {}): Identity {
    const { name, chain } = this.#issuer(wish);
    return { key: this.#read(`${name}.key`), cert: chain };
  }

  /** The value of SEALPOST_TLS_PIN_SHA256 for an identity. */
  pin(identity: Identity): string {
    return digest('sha256', subjectPublicKeyInfo(identity.cert)).toString('base64');
  }

  /**
   * A TLSA record for the first certificate of an identity, as a zone file has it: `3 1 1 …` (RFC 6698 §2.2).
   *
   * @param selector 0 the whole certificate, 1 its key
   * @param matchingType 0 the octets themselves, 1 SHA-256, 2 SHA-512
   */
  tlsa(identity: Identity, usage: number, selector: 0 | 1, matchingType: 0 | 1 | 2): string {
    const octets = selector === 0 ? der(identity.cert) : subjectPublicKeyInfo(identity.cert);
    const data = matchingType === 0 ? octets : digest(matchingType === 1 ? 'sha256' : 'sha512', octets);
    return `${usage} ${selector} ${matchingType} ${data.toString('hex')}`;
  }

  /** The paths of an identity in PEM, for variables that want files. */
  files(identity: Identity): { readonly certFile: string; readonly keyFile: string } {
    const name = this.#newName('identity');
    this.#write(`${name}.pem`, identity.cert);
    this.#write(`${name}.key`, identity.key);
    return { certFile: join(this.directory, `${name}.pem`), keyFile: join(this.directory, `${name}.key`) };
  }

  /** The path of an identity as PKCS#12, its chain included; without a passphrase by default. */
  pkcs12(identity: Identity, passphrase = ''): string {
    const { certFile, keyFile } = this.files(identity);
    const file = certFile.replace(/pem$/, 'p12');
    const export_ = ['pkcs12', '-export', '-in', certFile, '-inkey', keyFile, '-out', file];
    this.#openssl([...export_, '-passout', `pass:${passphrase}`]);
    return file;
  }

  /** Removes the directory; what nobody has removed goes when the process ends. */
  remove(): void {
    DIRECTORIES.delete(this.directory);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #issuer(wish: boolean | IntermediateWish): Issuer {
    if (wish === false) return { name: 'ca', chain: '' };
    const { under, ...own } = wish === true ? {} : wish;
    const id = JSON.stringify([own, under]);
    const known = this.#intermediates.get(id);
    if (known !== undefined) return known;
    const issuer = this.#issuer(under ?? false);
    const name = this.#newName('intermediate');
    this.#request(name, `/CN=${name}`, own.key ?? 'ec');
    this.#sign(name, { ...own, extensions: authorityExtensions(own), issuer });
    const made = { name, chain: this.#read(`${name}.pem`) + issuer.chain };
    this.#intermediates.set(id, made);
    return made;
  }

  /** @param key made anew of this kind; without it `NAME.key` is there already */
  #request(name: string, subject: string, key: KeyKind | undefined): void {
    const keyFile = `${name}.key`;
    const over = key === undefined ? ['-key', keyFile] : [...newKeyArguments(key), '-keyout', keyFile];
    this.#openssl(['req', '-new', '-nodes', ...over, '-subj', subject, '-out', `${name}.csr`]);
  }

  /** `openssl ca` is the one command that can choose both dates. */
  #sign(name: string, wish: Signature): void {
    const { issuer } = wish;
    this.#write('index.txt', '');
    this.#write('index.txt.attr', 'unique_subject = no\n');
    this.#write('serial', `${Date.now().toString(16)}${(this.#count += 1).toString(16)}`.padStart(20, '1'));
    this.#write(
      'ca.cnf',
      `[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\npolicy=p\ndefault_md=${wish.digest ?? 'sha256'}\n` +
        `[p]\ncommonName=optional\norganizationName=optional\n[x]\n${wish.extensions.join('\n')}\n`,
    );
    const begin = ['-startdate', wish.notBefore ?? '20250101000000Z'];
    const end = ['-enddate', wish.notAfter ?? '20360101000000Z'];
    const signer =
      issuer === undefined
        ? ['-selfsign', '-keyfile', `${name}.key`]
        : ['-cert', `${issuer.name}.pem`, '-keyfile', `${issuer.name}.key`];
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extensions', 'x', '-config', 'ca.cnf'];
    this.#openssl(['ca', '-batch', '-notext', ...signer, ...begin, ...end, ...files]);
  }

  #identity({ name, chain }: Issuer): Identity {
    return { key: this.#read(`${name}.key`), cert: this.#read(`${name}.pem`) + chain };
  }

  #newName(prefix: string): string {
    return `${prefix}${(this.#count += 1)}`;
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

/** The first certificate. */
function der(pem: string): Buffer {
  return execFileSync('openssl', ['x509', '-outform', 'DER'], { input: pem });
}

function subjectPublicKeyInfo(pem: string): Buffer {
  const spki = execFileSync('openssl', ['x509', '-pubkey', '-noout'], { input: pem });
  return execFileSync('openssl', ['pkey', '-pubin', '-outform', 'DER'], { input: spki });
}

function digest(name: 'sha256' | 'sha512', octets: Buffer): Buffer {
  return execFileSync('openssl', ['dgst', `-${name}`, '-binary'], { input: octets });
}
