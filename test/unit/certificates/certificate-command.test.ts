/**
 * `sealpost certificate`: what it prints, writes and refuses.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, mock, test } from 'node:test';

import { loadOrIssue } from '../../../src/certificates/local-authority.ts';
import { certificate } from '../../../src/commands/certificate.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-certificate-'));
const stateDirectory = join(directory, 'state');
after(() => rmSync(directory, { recursive: true, force: true }));

/** Runs the command in this process. */
async function run(...args: string[]): Promise<{ code: number; out: string; problems: string }> {
  const out = new PassThrough();
  let problems = '';
  const stderr = mock.method(process.stderr, 'write', (text: string) => (problems += text) !== '');
  try {
    const code = await certificate(args, { stateDirectory }, out);
    const written: unknown = out.read();
    return { code, out: Buffer.isBuffer(written) ? written.toString() : '', problems };
  } finally {
    stderr.mock.restore();
  }
}

test('says that there is nothing yet, and makes nothing, when asked to show', async () => {
  const { code, out } = await run('show');
  assert.equal(code, 1);
  assert.match(out, /no local CA in .*state yet/);
  assert.ok(!existsSync(stateDirectory));
});

test('exports the certificate of the authority for trust stores, and no key', async () => {
  const { code, out } = await run('export');
  assert.equal(code, 0);
  assert.equal(out, (await loadOrIssue(stateDirectory)).ca);
  assert.ok(new X509Certificate(out).ca);
  assert.ok(!out.includes('PRIVATE'));
});

test('exports the leaf', async () => {
  const { out } = await run('export', '--leaf');
  assert.equal(out, (await loadOrIssue(stateDirectory)).cert);
});

test('shows names, validity, fingerprint, pin and files', async () => {
  const { ca, cert } = await loadOrIssue(stateDirectory);
  const { code, out } = await run('show');
  assert.equal(code, 0);
  assert.match(out, /Subject +O=Sealpost, CN=Sealpost local CA [0-9a-f]{8}/);
  assert.match(out, /Names +DNS:localhost, IP Address:127\.0\.0\.1/);
  assert.match(out, /Valid +\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d/);
  for (const pem of [ca, cert]) assert.ok(out.includes(new X509Certificate(pem).fingerprint256));
  const spki = execFileSync('openssl', ['x509', '-pubkey', '-noout'], { input: cert });
  const der = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'DER'], { input: spki });
  const pin = execFileSync('openssl', ['dgst', '-sha256', '-binary'], { input: der }).toString('base64');
  assert.ok(out.includes(pin));
  assert.ok(out.includes(join(stateDirectory, 'certificates', 'ca', 'cert.pem')));
});

test('writes a PKCS#12 file that openssl opens with the password, and only its owner can read', async () => {
  const passwordFile = join(directory, 'password');
  const p12 = join(directory, 'local.p12');
  writeFileSync(passwordFile, 'correct horse\nnot this\n');
  const { code } = await run('export', '--p12', p12, '--password-file', passwordFile);
  assert.equal(code, 0);
  assert.equal(statSync(p12).mode & 0o777, 0o600);
  const open = (password: string): string =>
    execFileSync('openssl', ['pkcs12', '-in', p12, '-nodes', '-passin', `pass:${password}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const content = open('correct horse');
  assert.equal(content.match(/BEGIN CERTIFICATE/g)?.length, 2);
  assert.match(content, /BEGIN PRIVATE KEY/);
  assert.throws(() => open('wrong'));
});

test('renews the leaf, and the authority only with --ca', async () => {
  const before = await loadOrIssue(stateDirectory);
  assert.equal((await run('renew')).code, 0);
  const renewed = await loadOrIssue(stateDirectory);
  assert.notEqual(renewed.cert, before.cert);
  assert.equal(renewed.ca, before.ca);
  assert.match((await run('renew', '--ca')).out, /clients must trust/);
  assert.notEqual((await loadOrIssue(stateDirectory)).ca, before.ca);
});

for (const [what, ...args] of [
  ['no action'],
  ['an unknown action', 'destroy'],
  ['an unknown option', 'show', '--all'],
  ['two things to export', 'export', '--ca', '--leaf'],
  ['a PKCS#12 file without a password', 'export', '--p12', 'x'],
  ['a password file that is not there', 'export', '--p12', 'x', '--password-file', '/nowhere/password'],
] as const) {
  test(`explains its use when given ${what}`, async () => {
    const { code, out, problems } = await run(...args);
    assert.equal(code, 64);
    assert.equal(out, '');
    assert.match(problems, /^sealpost certificate: .+\n\nUsage: /);
  });
}

test('names the damaged file in one line', async () => {
  const { caFile } = await loadOrIssue(stateDirectory);
  rmSync(caFile);
  const { code, problems } = await run('show');
  assert.equal(code, 1);
  assert.match(problems, /^sealpost certificate: [^\n]*ca\/cert\.pem is missing[^\n]*\n$/);
});
