/**
 * The local CA: makes, keeps and renews a certificate for localhost, for listeners with TLS and for the sandbox.
 *
 * Guarantees: made when first asked for, reused afterwards; the leaf is renewed in time; the authority is never
 * replaced unless the operator says so, because clients were told to trust it. Everything stored is parsed and
 * verified by node:crypto. Several processes may do this at once.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { makeDirectory } from '../state/make-directory.ts';
import { buildAuthority, buildLeaf, LOCAL_NAMES, type Pair } from './build-certificates.ts';
import {
  createPair,
  LocalAuthorityError,
  pairPlace,
  readPair,
  replacePair,
  type PairPlace,
} from './pair-directory.ts';

/** What a TLS server on loopback needs, and what its clients must trust. All PEM. */
export interface LocalIdentity {
  readonly key: string;
  /** The leaf alone: its issuer is the root, which clients have or lack. */
  readonly cert: string;
  readonly ca: string;
  /** Path of `ca`, for clients' configuration. */
  readonly caFile: string;
  readonly notAfter: Date;
  /** What was done to give it, for the log: made for the first time, or in the place of another; neither when loaded. */
  readonly created: boolean;
  readonly renewed: boolean;
}

/** One stored certificate, as an operator wants to see it. */
export interface CertificateDescription {
  readonly subject: string;
  /** As Node writes subjectAltName; '' for the authority. */
  readonly names: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256 of the certificate, hexadecimal with colons. */
  readonly fingerprint: string;
  /** Base64 SHA-256 of the SPKI: what SEALPOST_TLS_PIN_SHA256 takes. */
  readonly pin: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface LocalAuthorityDescription {
  readonly authority: CertificateDescription;
  readonly leaf: CertificateDescription | undefined;
}

const RENEWAL_MS = 30 * 24 * 60 * 60 * 1000;

type Outcome = 'loaded' | 'created' | 'renewed';

interface Places {
  readonly root: string;
  readonly authority: PairPlace;
  readonly leaf: PairPlace;
}

/**
 * The identity for localhost kept under the state directory; made or renewed when need be.
 *
 * @throws {LocalAuthorityError} what is stored is damaged, or the authority has expired
 */
export async function loadOrIssue(stateDirectory: string): Promise<LocalIdentity> {
  const places = placesIn(stateDirectory);
  await preparePrivateDirectory(places.root);
  const authority = await loadOrCreateAuthority(places);
  const stored = await readPair(places.leaf);
  if (stored === undefined) return issue(places, authority, createPair, 'created');
  if (isServiceable(stored, authority)) return identity(places, authority, stored, 'loaded');
  return issue(places, authority, replacePair, 'renewed');
}

/**
 * Issues a new leaf with a new key now; with `authority: 'replace'` from a new authority, which all clients must then
 * be told to trust.
 *
 * @throws {LocalAuthorityError} as `loadOrIssue`
 */
export async function renew(
  stateDirectory: string,
  options: { readonly authority: 'keep' | 'replace' } = { authority: 'keep' },
): Promise<LocalIdentity> {
  const places = placesIn(stateDirectory);
  await preparePrivateDirectory(places.root);
  if (options.authority === 'replace') await replacePair(places.authority, await buildAuthority());
  const authority = await loadOrCreateAuthority(places);
  return issue(places, authority, replacePair, 'renewed');
}

/** What is stored; undefined when there is no local authority yet. Makes nothing. */
export async function describe(stateDirectory: string): Promise<LocalAuthorityDescription | undefined> {
  const places = placesIn(stateDirectory);
  const authority = await readPair(places.authority);
  if (authority === undefined) return undefined;
  const leaf = await readPair(places.leaf);
  return {
    authority: description(places.authority, authority),
    leaf: leaf === undefined ? undefined : description(places.leaf, leaf),
  };
}

function placesIn(stateDirectory: string): Places {
  const root = join(stateDirectory, 'certificates');
  return {
    root,
    authority: pairPlace(join(root, 'ca'), 0o400),
    leaf: pairPlace(join(root, 'localhost'), 0o600),
  };
}

/**
 * Everything is under a directory that only we may enter, so that no mode of a file within can give a key away. The
 * state directory itself may be somebody else's mount point: it is made when missing and left alone otherwise.
 */
async function preparePrivateDirectory(directory: string): Promise<void> {
  await makeDirectory(directory);
  const { mode } = await stat(directory);
  if ((mode & 0o777) !== 0o700) await chmod(directory, 0o700);
}

async function loadOrCreateAuthority(places: Places): Promise<Pair> {
  const stored = await readPair(places.authority);
  if (stored !== undefined) return checkedAuthority(places, stored);
  const fresh = await buildAuthority();
  if (await createPair(places.authority, fresh)) return fresh;
  return checkedAuthority(places, await winner(places.authority));
}

function checkedAuthority(places: Places, authority: Pair): Pair {
  const certificate = new X509Certificate(authority.cert);
  const { certFile } = places.authority;
  if (!certificate.ca || certificate.publicKey.asymmetricKeyType !== 'rsa') {
    throw new LocalAuthorityError(certFile, 'is not the certificate of an RSA authority'); // all that forge can sign with
  }
  if (certificate.validToDate.getTime() <= Date.now()) {
    const when = certificate.validToDate.toISOString();
    const remedy = 'replace it with "sealpost certificate renew --ca" and have clients trust the new one';
    throw new LocalAuthorityError(certFile, `expired on ${when}: ${remedy}`);
  }
  return authority;
}

async function issue(
  places: Places,
  authority: Pair,
  store: (place: PairPlace, pair: Pair) => Promise<boolean>,
  outcome: Exclude<Outcome, 'loaded'>,
): Promise<LocalIdentity> {
  const fresh = await buildLeaf(authority);
  if (await store(places.leaf, fresh)) return identity(places, authority, fresh, outcome);
  return identity(places, authority, await winner(places.leaf), 'loaded');
}

/** The pair of the process that was faster than we. */
async function winner(place: PairPlace): Promise<Pair> {
  const pair = await readPair(place);
  if (pair === undefined) throw new LocalAuthorityError(place.directory, 'vanished while it was being read');
  return pair;
}

function isServiceable(leaf: Pair, authority: Pair): boolean {
  const certificate = new X509Certificate(leaf.cert);
  const issuer = new X509Certificate(authority.cert);
  const now = Date.now();
  return (
    certificate.checkIssued(issuer) &&
    certificate.verify(issuer.publicKey) &&
    certificate.validFromDate.getTime() <= now &&
    certificate.validToDate.getTime() - now >= RENEWAL_MS &&
    LOCAL_NAMES.dns.every((name) => certificate.checkHost(name, { subject: 'never' }) !== undefined) &&
    LOCAL_NAMES.ip.every((address) => certificate.checkIP(address) !== undefined)
  );
}

function identity(places: Places, authority: Pair, leaf: Pair, outcome: Outcome): LocalIdentity {
  return {
    key: leaf.key,
    cert: leaf.cert,
    ca: authority.cert,
    caFile: places.authority.certFile,
    notAfter: new X509Certificate(leaf.cert).validToDate,
    created: outcome === 'created',
    renewed: outcome === 'renewed',
  };
}

function description(place: PairPlace, pair: Pair): CertificateDescription {
  const certificate = new X509Certificate(pair.cert);
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    names: certificate.subjectAltName ?? '',
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
    fingerprint: certificate.fingerprint256,
    pin: createHash('sha256').update(spki).digest('base64'),
    certFile: place.certFile,
    keyFile: place.keyFile,
  };
}
