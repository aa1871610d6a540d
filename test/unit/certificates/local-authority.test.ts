/**
 * The local CA on disk: modes, reuse, renewal, and what it refuses to mend.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, mock, test } from 'node:test';
import { promisify } from 'node:util';

import { describe, loadOrIssue, renew } from '../../../src/certificates/local-authority.ts';
import { LocalAuthorityError } from '../../../src/certificates/pair-directory.ts';

const MODULE = new URL('../../../src/certificates/local-authority.ts', import.meta.url).href;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A state directory: one that does not exist yet, or a copy of one in which an authority has issued. */
class StateDirectory {
  static prepared(): StateDirectory {
    const copy = new StateDirectory();
    cpSync(MADE.path, copy.path, { recursive: true });
    return copy;
  }

  readonly #parent = mkdtempSync(join(tmpdir(), 'sealpost-state-'));
  readonly path = join(this.#parent, 'state');
  readonly ca = join(this.path, 'certificates', 'ca');
  readonly leaf = join(this.path, 'certificates', 'localhost');

  [Symbol.dispose](): void {
    rmSync(this.#parent, { recursive: true, force: true });
  }
}

const MADE = new StateDirectory();
before(() => loadOrIssue(MADE.path));
after(() => MADE[Symbol.dispose]());

function mode(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

function replace(file: string, content: string): void {
  rmSync(file, { force: true });
  writeFileSync(file, content);
}

test('makes an authority and a leaf when first asked for, private to the owner', async () => {
  using state = new StateDirectory();
  const earlier = process.umask(0o002);
  const identity = await loadOrIssue(state.path).finally(() => process.umask(earlier));
  assert.ok(identity.created && !identity.renewed);
  assert.equal(identity.caFile, join(state.ca, 'cert.pem'));
  assert.deepEqual([state.path, join(state.path, 'certificates'), state.ca, state.leaf].map(mode), [
    '700',
    '700',
    '700',
    '700',
  ]);
  assert.equal(mode(join(state.ca, 'key.pem')), '400');
  assert.equal(mode(join(state.leaf, 'key.pem')), '600');
  assert.equal(mode(join(state.ca, 'cert.pem')), '644');
  assert.equal(mode(join(state.leaf, 'cert.pem')), '644');
});

test('names only this machine in the leaf, in subjectAltName, for less than 398 days', async () => {
  using state = StateDirectory.prepared();
  const identity = await loadOrIssue(state.path);
  const leaf = new X509Certificate(identity.cert);
  const authority = new X509Certificate(identity.ca);
  assert.equal(leaf.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
  assert.ok(!leaf.subject.includes('CN='));
  assert.ok(leaf.checkIssued(authority) && leaf.verify(authority.publicKey));
  assert.ok(leaf.validToDate.getTime() - leaf.validFromDate.getTime() < 398 * DAY_MS);
  assert.deepEqual(identity.notAfter, leaf.validToDate);
  for (const { serialNumber } of [leaf, authority]) assert.match(serialNumber, /^[4-7][0-9A-F]{31}$/);
  assert.notEqual(leaf.serialNumber, authority.serialNumber);
});

test('gives the same identity again', async () => {
  using state = StateDirectory.prepared();
  const first = await loadOrIssue(state.path);
  const second = await loadOrIssue(state.path);
  assert.deepEqual(second, { ...first, created: false, renewed: false });
});

test('tightens the directory of the keys when others could enter it, and leaves the state directory alone', async () => {
  using state = new StateDirectory();
  mkdirSync(state.path, { mode: 0o755 });
  chmodSync(state.path, 0o755);
  await loadOrIssue(state.path);
  chmodSync(join(state.path, 'certificates'), 0o755);
  await loadOrIssue(state.path);
  assert.equal(mode(join(state.path, 'certificates')), '700');
  assert.equal(mode(state.path), '755');
});

test('renews the leaf with a new key and keeps the authority', async () => {
  using state = StateDirectory.prepared();
  const earlier = await loadOrIssue(state.path);
  const later = await renew(state.path);
  assert.ok(later.renewed && !later.created);
  assert.equal(later.ca, earlier.ca);
  assert.notEqual(later.key, earlier.key);
  assert.deepEqual(await loadOrIssue(state.path), { ...later, created: false, renewed: false });
  assert.deepEqual(readdirSync(join(state.path, 'certificates')).toSorted(), ['ca', 'localhost']);
});

test('replaces the authority when told to, and the leaf with it', async () => {
  using state = StateDirectory.prepared();
  const earlier = await loadOrIssue(state.path);
  const later = await renew(state.path, { authority: 'replace' });
  assert.notEqual(later.ca, earlier.ca);
  assert.ok(new X509Certificate(later.cert).checkIssued(new X509Certificate(later.ca)));
  assert.equal((await loadOrIssue(state.path)).ca, later.ca);
});

/** The module's clock; nothing else is moved. */
async function at<T>(ms: number, what: () => Promise<T>): Promise<T> {
  mock.timers.enable({ apis: ['Date'], now: ms });
  try {
    return await what();
  } finally {
    mock.timers.reset();
  }
}

test('renews a leaf with less than 30 days left, and none before', async () => {
  using state = StateDirectory.prepared();
  const first = await loadOrIssue(state.path);
  const end = first.notAfter.getTime();
  const early = await at(end - 31 * DAY_MS, () => loadOrIssue(state.path));
  assert.ok(!early.created && !early.renewed);
  const late = await at(end - 29 * DAY_MS, () => loadOrIssue(state.path));
  assert.ok(late.renewed && !late.created);
  assert.ok(late.notAfter.getTime() > end + 300 * DAY_MS);
  assert.equal(late.ca, first.ca);
});

test('issues no leaf that outlives the authority', async () => {
  using state = StateDirectory.prepared();
  const { ca } = await loadOrIssue(state.path);
  const end = new X509Certificate(ca).validToDate;
  const last = await at(end.getTime() - 40 * DAY_MS, () => loadOrIssue(state.path));
  assert.ok(last.renewed && !last.created);
  assert.deepEqual(last.notAfter, end);
});

test('refuses an authority that has expired and says how to replace it', async () => {
  using state = StateDirectory.prepared();
  const { ca, caFile } = await loadOrIssue(state.path);
  const end = new X509Certificate(ca).validToDate.getTime();
  await at(end + DAY_MS, () => refuses(state, caFile, /expired on .* certificate renew --ca/));
  assert.equal(readFileSync(caFile, 'utf8'), ca);
});

test('renews a leaf that lacks a name', async () => {
  using state = StateDirectory.prepared();
  const { key } = await loadOrIssue(state.path);
  replace(join(state.leaf, 'cert.pem'), signedByOpenSsl(state, key, 'subjectAltName=DNS:localhost'));
  const identity = await loadOrIssue(state.path);
  assert.ok(identity.renewed && !identity.created);
  assert.equal(new X509Certificate(identity.cert).checkIP('::1'), '::1');
});

test('refuses an authority whose key is missing and replaces nothing', async () => {
  using state = StateDirectory.prepared();
  const { ca, caFile } = await loadOrIssue(state.path);
  rmSync(join(state.ca, 'key.pem'));
  await refuses(state, join(state.ca, 'key.pem'), /key\.pem is missing, .*cert\.pem is there/);
  assert.equal(readFileSync(caFile, 'utf8'), ca);
});

test('refuses an authority whose certificate is missing', async () => {
  using state = StateDirectory.prepared();
  await loadOrIssue(state.path);
  rmSync(join(state.ca, 'cert.pem'));
  await refuses(state, join(state.ca, 'cert.pem'), /is missing/);
});

test('refuses keys that belong to another certificate', async () => {
  using state = StateDirectory.prepared();
  const { key } = await loadOrIssue(state.path);
  using other = new StateDirectory();
  const { key: otherKey } = await loadOrIssue(other.path);
  replace(join(state.leaf, 'key.pem'), otherKey);
  await refuses(state, join(state.leaf, 'key.pem'), /is not the key of .*localhost/);
  replace(join(state.leaf, 'key.pem'), key);
  replace(join(state.ca, 'key.pem'), otherKey);
  await refuses(state, join(state.ca, 'key.pem'), /is not the key of .*ca/);
});

test('refuses files that are no PEM', async () => {
  using state = StateDirectory.prepared();
  await loadOrIssue(state.path);
  replace(join(state.leaf, 'cert.pem'), 'no certificate');
  await refuses(state, join(state.leaf, 'cert.pem'), /does not hold a certificate in PEM/);
  replace(join(state.ca, 'key.pem'), '');
  await refuses(state, join(state.ca, 'key.pem'), /does not hold a private key in PEM/);
});

test('refuses a certificate in the place of the authority that is none', async () => {
  using state = StateDirectory.prepared();
  const { key, cert } = await loadOrIssue(state.path);
  replace(join(state.ca, 'key.pem'), key);
  replace(join(state.ca, 'cert.pem'), cert);
  await refuses(state, join(state.ca, 'cert.pem'), /is not the certificate of an RSA authority/);
});

test('gives processes that start at once one authority and one leaf', async () => {
  using state = new StateDirectory();
  const script = `import { loadOrIssue } from ${JSON.stringify(MODULE)};
    const { ca, cert } = await loadOrIssue(process.argv[1]);
    console.log(JSON.stringify([ca, cert]));`;
  const args = ['--input-type=module', '-e', script, state.path];
  const runs = Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, args));
  const outputs = (await Promise.all(runs)).map(({ stdout }) => stdout);
  assert.equal(new Set(outputs).size, 1);
  assert.equal((await loadOrIssue(state.path)).created, false);
  assert.deepEqual(readdirSync(join(state.path, 'certificates')).toSorted(), ['ca', 'localhost']);
});

test('describes what is stored and makes nothing', async () => {
  using state = new StateDirectory();
  assert.equal(await describe(state.path), undefined);
  assert.throws(() => statSync(state.path), { code: 'ENOENT' });
  const identity = await loadOrIssue(state.path);
  const found = await describe(state.path);
  const leaf = new X509Certificate(identity.cert);
  assert.equal(found?.leaf?.fingerprint, leaf.fingerprint256);
  assert.equal(found?.authority.certFile, identity.caFile);
  assert.match(found?.authority.subject ?? '', /^O=Sealpost, CN=Sealpost local CA [0-9a-f]{8}$/);
});

test("lets openssl's strict verification accept the leaf", async () => {
  using state = StateDirectory.prepared();
  const { cert } = await loadOrIssue(state.path);
  for (const name of [
    ['-verify_hostname', 'localhost'],
    ['-verify_ip', '127.0.0.1'],
    ['-verify_ip', '::1'],
  ]) {
    assert.match(verified(state, cert, name), /: OK$/m);
  }
});

/** What somebody who stole the key of the authority could not do. */
for (const [what, subject, san] of [
  ['another name', '/O=Test', 'subjectAltName=DNS:bank.example'],
  ['another address', '/O=Test', 'subjectAltName=IP:192.0.2.1'],
  ['another IPv6 address', '/O=Test', 'subjectAltName=IP:2001:db8::1'],
  ['another name beside localhost', '/O=Test', 'subjectAltName=DNS:localhost,DNS:bank.example'],
  ['another name as the common name only', '/CN=bank.example', undefined],
] as const) {
  test(`constrains the authority so that openssl refuses a certificate for ${what}`, async () => {
    using state = StateDirectory.prepared();
    const { key } = await loadOrIssue(state.path);
    const forged = signedByOpenSsl(state, key, san, subject);
    assert.match(verified(state, forged), /permitted subtree violation/);
  });
}

test('constrains the authority so that openssl refuses an intermediate under it', async () => {
  using state = StateDirectory.prepared();
  const { key } = await loadOrIssue(state.path);
  const authorityExtensions = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign';
  const intermediate = signedByOpenSsl(state, key, authorityExtensions, '/CN=Intermediate');
  const file = join(state.path, 'intermediate.pem');
  writeFileSync(file, intermediate);
  const script = { cert: file, key: join(state.leaf, 'key.pem') };
  const leaf = signedByOpenSsl(state, key, 'subjectAltName=DNS:localhost', '/O=Test', script);
  assert.match(verified(state, leaf, ['-untrusted', file]), /path length constraint exceeded/);
});

async function refuses(state: StateDirectory, file: string, message: RegExp): Promise<void> {
  await assert.rejects(loadOrIssue(state.path), (error: Error) => {
    assert.ok(error instanceof LocalAuthorityError, error.stack);
    assert.equal(error.file, file);
    assert.match(error.message, message);
    return true;
  });
}

/** A certificate for the key, signed with the stored authority's key (or another issuer's) by openssl. */
function signedByOpenSsl(
  state: StateDirectory,
  key: string,
  extensions: string | undefined,
  subject = '/O=Test',
  issuer = { cert: join(state.ca, 'cert.pem'), key: join(state.ca, 'key.pem') },
): string {
  const aside = mkdtempSync(join(state.path, 'openssl-'));
  const file = (name: string): string => join(aside, name);
  writeFileSync(file('key.pem'), key);
  const base = 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n';
  writeFileSync(file('extensions'), `${base}${extensions ?? ''}\n`);
  openssl(['req', '-new', '-key', file('key.pem'), '-subj', subject, '-out', file('csr.pem')]);
  const signer = ['-CA', issuer.cert, '-CAkey', issuer.key, '-days', '90', '-extfile', file('extensions')];
  return openssl(['x509', '-req', '-in', file('csr.pem'), ...signer]);
}

/** What `openssl verify` says about a certificate, trusting the stored authority only. */
function verified(state: StateDirectory, cert: string, more: readonly string[] = []): string {
  const file = join(mkdtempSync(join(state.path, 'verify-')), 'cert.pem');
  writeFileSync(file, cert);
  const trust = ['-no-CApath', '-no-CAstore', '-CAfile', join(state.ca, 'cert.pem')];
  const strict = ['-x509_strict', '-purpose', 'sslserver'];
  const { stdout, stderr } = spawnSync('openssl', ['verify', ...trust, ...strict, ...more, file], {
    encoding: 'utf8',
  });
  return stdout + stderr;
}

function openssl(args: readonly string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
