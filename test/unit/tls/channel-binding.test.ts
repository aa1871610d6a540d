/**
 * `tls-server-end-point` for certificates of every kind of signature; the value is compared with what openssl makes of
 * the certificate. Whole sessions are compared in test/peers, with a TLS library nobody here uses.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { after, test } from 'node:test';

import { serverEndPoint } from '../../../src/tls/channel-binding.ts';
import { TestAuthority } from '../../support/pki.ts';

// RFC 5929 §4.1: the signature's hash, and SHA-256 for MD5 and SHA-1.
const CASES = [
  { key: 'rsa:2048', digest: 'md5', hash: 'sha256' },
  { key: 'rsa:2048', digest: 'sha1', hash: 'sha256' },
  { key: 'rsa:2048', digest: 'sha224', hash: 'sha224' },
  { key: 'rsa:2048', digest: 'sha256', hash: 'sha256' },
  { key: 'rsa:2048', digest: 'sha384', hash: 'sha384' },
  { key: 'rsa:2048', digest: 'sha512', hash: 'sha512' },
  { key: 'rsa-pss:2048', digest: 'sha1', hash: 'sha256' },
  { key: 'rsa-pss:2048', digest: 'sha256', hash: 'sha256' },
  { key: 'rsa-pss:2048', digest: 'sha384', hash: 'sha384' },
  { key: 'rsa-pss:2048', digest: 'sha512', hash: 'sha512' },
  { key: 'ec', digest: 'sha1', hash: 'sha256' },
  { key: 'ec', digest: 'sha256', hash: 'sha256' },
  { key: 'ec:secp384r1', digest: 'sha384', hash: 'sha384' },
  { key: 'ec:secp521r1', digest: 'sha512', hash: 'sha512' },
] as const;

const authority = new TestAuthority();
after(() => authority.remove());

for (const { key, digest, hash } of CASES) {
  test(`binds to the ${hash} of a certificate signed by ${key} with ${digest}`, () => {
    const { cert } = authority.issue({ selfSigned: true, key, digest });
    const der = execFileSync('openssl', ['x509', '-outform', 'DER'], { input: cert });
    const wanted = execFileSync('openssl', ['dgst', `-${hash}`, '-binary'], { input: der });
    const binding = serverEndPoint(new X509Certificate(cert));
    assert.equal(binding?.type, 'tls-server-end-point');
    assert.deepEqual(binding.data, wanted);
  });
}

test('has no binding for a certificate whose signature has not one hash', () => {
  const { cert } = authority.issue({ selfSigned: true, key: 'ed25519' });
  assert.equal(serverEndPoint(new X509Certificate(cert)), undefined);
});
