/**
 * What a test certificate is to say, and how openssl is told: keys, and the lines of its extension section.
 */

/** openssl's name for a key: `rsa:2048`, `rsa-pss:2048`, `ec`, `ec:prime192v1`, `ed25519`. */
export type KeyKind = string;

/** What leaves and intermediates have in common. */
interface CertificateWish {
  /** `YYYYMMDDHHMMSSZ` */
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly key?: KeyKind;
  /** Of the signature that the issuer puts on it. */
  readonly digest?: string;
  readonly extendedKeyUsage?: string;
  /** As openssl writes it; '' for none. */
  readonly keyUsage?: string;
  /** Further lines of the extension section, such as `1.2.3.4=critical,DER:0500`. */
  readonly extensions?: readonly string[];
}

export interface IntermediateWish extends CertificateWish {
  /** `false` makes it an ordinary certificate that has no right to issue another. */
  readonly isAuthority?: boolean;
  /** How many authorities may stand between this one and the leaf. */
  readonly pathLength?: number;
  /** RFC 5280 §4.2.1.10 as openssl writes it, such as `critical,permitted;DNS:example.test`. */
  readonly nameConstraints?: string;
  /** Issued by another intermediate in turn. */
  readonly under?: IntermediateWish;
}

export interface LeafWish extends CertificateWish {
  /** subjectAltName as openssl writes it, e.g. `DNS:localhost,IP:127.0.0.1`; '' for none; see `rawDnsNames`. */
  readonly san?: string;
  readonly commonName?: string;
}

const IA5_DNS_NAME = 0x82; // [2] IMPLICIT IA5String, RFC 5280 §4.2.1.6
const SEQUENCE = 0x30;

/** A `san` of dNSNames with whatever octets are wished: openssl's own form ends a name at a NUL and at a comma. */
export function rawDnsNames(...names: readonly string[]): string {
  const entries = names.map((name) => element(IA5_DNS_NAME, Buffer.from(name, 'latin1')));
  return `DER:${element(SEQUENCE, Buffer.concat(entries)).toString('hex')}`;
}

/** RFC 4985: a service name, which is no name of a host. */
export function srvName(name: string): string {
  return `otherName:1.3.6.1.5.5.7.8.7;IA5STRING:${name}`;
}

export function leafExtensions(wish: LeafWish): readonly string[] {
  const san = wish.san ?? 'DNS:localhost,IP:127.0.0.1,IP:::1';
  return [
    'basicConstraints=critical,CA:FALSE',
    `extendedKeyUsage=${wish.extendedKeyUsage ?? 'serverAuth'}`,
    ...line('keyUsage', wish.keyUsage),
    ...line('subjectAltName', san),
    ...(wish.extensions ?? []),
  ];
}

export function authorityExtensions(wish: IntermediateWish = {}): readonly string[] {
  const pathLength = wish.pathLength === undefined ? '' : `,pathlen:${wish.pathLength}`;
  const isAuthority = wish.isAuthority ?? true;
  return [
    `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}${pathLength}`,
    ...line('keyUsage', wish.keyUsage ?? (isAuthority ? 'critical,keyCertSign,cRLSign' : undefined)),
    ...line('extendedKeyUsage', wish.extendedKeyUsage),
    ...line('nameConstraints', wish.nameConstraints),
    ...(wish.extensions ?? []),
  ];
}

/** Arguments of `openssl req -new` that make a key of that kind. */
export function newKeyArguments(kind: KeyKind): readonly string[] {
  const [algorithm = '', detail] = kind.split(':');
  if (algorithm === 'ec') return ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${detail ?? 'P-256'}`];
  if (algorithm === 'rsa-pss')
    return ['-newkey', 'rsa-pss', '-pkeyopt', `rsa_keygen_bits:${detail ?? '2048'}`];
  return ['-newkey', kind];
}

function line(name: string, value: string | undefined): readonly string[] {
  return value === undefined || value === '' ? [] : [`${name}=${value}`];
}

/** One DER element; its content is shorter than 65,536 octets (X.690 §8.1.3). */
function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}
