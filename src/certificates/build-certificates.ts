/**
 * Makes the keys and certificates of the local authority. The only user of node-forge's X.509 builder.
 *
 * Guarantees: the authority can vouch for this machine's loopback names and nothing else (critical nameConstraints,
 * pathlen 0, server authentication only); names of the leaf stand in subjectAltName alone; serials are random.
 * Does not: parse or verify anything (node:crypto does, in local-authority.ts), store anything (pair-directory.ts).
 */
import { createHash, createPublicKey, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

import forge from 'node-forge';

/** A private key (PKCS#8) and its certificate, both PEM. */
export interface Pair {
  readonly key: string;
  readonly cert: string;
}

/** DNS names and addresses a certificate of the local authority is for: all the ways to say "this machine". */
export const LOCAL_NAMES = { dns: ['localhost'], ip: ['127.0.0.1', '::1'] } as const;

const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY_DAYS = 3650;
/** Platforms refuse TLS server certificates that are valid for more than 398 days, those of private CAs included. */
const LEAF_DAYS = 397;
/** A container or a virtual machine may run minutes behind the clock that issued. */
const BACKDATED_MS = 60 * 60 * 1000;

/** A new self-signed authority. Its name carries the start of its key's digest: two authorities never share a name. */
export async function buildAuthority(): Promise<Pair> {
  const { key, publicKey } = await newKey(3072);
  const name = [
    { name: 'organizationName', value: 'Sealpost' },
    { name: 'commonName', value: `Sealpost local CA ${keyDigest(publicKey).slice(0, 8)}` },
  ];
  const certificate = draft(publicKey, AUTHORITY_DAYS);
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'extKeyUsage', serverAuth: true },
    { id: '2.5.29.30', critical: true, value: nameConstraints() },
    { name: 'subjectKeyIdentifier' },
  ]);
  return signed(certificate, key, key);
}

/** A new leaf for `LOCAL_NAMES`, which does not outlive its authority. */
export async function buildLeaf(authority: Pair): Promise<Pair> {
  const { key, publicKey } = await newKey(2048);
  const issuer = forge.pki.certificateFromPem(authority.cert);
  const certificate = draft(publicKey, LEAF_DAYS);
  if (certificate.validity.notAfter > issuer.validity.notAfter) {
    certificate.validity.notAfter = issuer.validity.notAfter;
  }
  certificate.setSubject([{ name: 'organizationName', value: 'Sealpost' }]);
  certificate.setIssuer(issuer.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: localAltNames() },
    { name: 'subjectKeyIdentifier' },
    {
      name: 'authorityKeyIdentifier',
      keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes(),
    },
  ]);
  return signed(certificate, key, authority.key);
}

/** PKCS#12 with the leaf, its key and the authority's certificate, for software that reads nothing else. */
export function buildPkcs12(leaf: Pair, authorityCert: string, password: string): Buffer {
  const store = forge.pkcs12.toPkcs12Asn1(
    forge.pki.privateKeyFromPem(leaf.key),
    [forge.pki.certificateFromPem(leaf.cert), forge.pki.certificateFromPem(authorityCert)],
    password,
    { algorithm: 'aes256', count: 100_000, friendlyName: 'sealpost' },
  );
  return Buffer.from(forge.asn1.toDer(store).getBytes(), 'latin1');
}

/** Keys come from node:crypto, off the main thread; forge would compute them on it. */
async function newKey(modulusLength: number): Promise<{ key: string; publicKey: string }> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return { key: privateKey, publicKey };
}

function keyDigest(publicKey: string): string {
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}

function draft(publicKey: string, days: number): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = randomSerial();
  const notBefore = Date.now() - BACKDATED_MS;
  certificate.validity.notBefore = new Date(notBefore);
  certificate.validity.notAfter = new Date(notBefore + days * DAY_MS);
  return certificate;
}

/** 16 octets; the top bits are 01, so that the DER INTEGER is positive and of minimal length (RFC 5280 §4.1.2.2). */
function randomSerial(): string {
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  return serial.toString('hex');
}

function signed(certificate: forge.pki.Certificate, ownKey: string, issuerKey: string): Pair {
  certificate.sign(forge.pki.privateKeyFromPem(issuerKey), forge.md.sha256.create());
  return { key: ownKey, cert: forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n') };
}

function localAltNames(): ({ type: number; value: string } | { type: number; ip: string })[] {
  const names = LOCAL_NAMES.dns.map((value) => ({ type: 2, value }));
  const addresses = LOCAL_NAMES.ip.map((ip) => ({ type: 7, ip }));
  return [...names, ...addresses];
}

/**
 * permittedSubtrees: localhost, 127.0.0.0/8, ::1/128 (RFC 5280 §4.2.1.10). A trust store that takes up this authority
 * gives away nothing but its own loopback, even if the key is stolen.
 */
function nameConstraints(): string {
  const { Class, Type, create, toDer } = forge.asn1;
  // Context tags under the names that forge's typing has for these numbers.
  const tag = { permittedSubtrees: Type.NONE, dnsName: Type.INTEGER, ipAddress: Type.ODESC };
  const loopback = [127, 0, 0, 0, 255, 0, 0, 0];
  const loopback6 = [...Array.from({ length: 15 }, () => 0), 1, ...Array.from({ length: 16 }, () => 255)];
  const bases = [
    create(Class.CONTEXT_SPECIFIC, tag.dnsName, false, 'localhost'),
    create(Class.CONTEXT_SPECIFIC, tag.ipAddress, false, String.fromCharCode(...loopback)),
    create(Class.CONTEXT_SPECIFIC, tag.ipAddress, false, String.fromCharCode(...loopback6)),
  ];
  const subtrees = bases.map((base) => create(Class.UNIVERSAL, Type.SEQUENCE, true, [base]));
  const permitted = create(Class.CONTEXT_SPECIFIC, tag.permittedSubtrees, true, subtrees);
  return toDer(create(Class.UNIVERSAL, Type.SEQUENCE, true, [permitted])).getBytes();
}
