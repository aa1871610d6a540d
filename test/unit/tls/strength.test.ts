import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CIPHERS, parseCiphers, parseGroups } from '../../../src/tls/strength.ts';

test('reads lists however they are separated, in their order and without repetitions', () => {
  assert.deepEqual(parseGroups('X25519:P-256'), ['X25519', 'P-256']);
  assert.deepEqual(parseGroups(' P-521, X448\tX25519,X448 '), ['P-521', 'X448', 'X25519']);
  assert.deepEqual(parseCiphers('ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305'), [
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
  ]);
});

test('knows every group that RFC 9325 allows, and the hybrids', () => {
  const all = [
    'X25519MLKEM768',
    'SecP256r1MLKEM768',
    'SecP384r1MLKEM1024',
    'X25519',
    'X448',
    'P-256',
    'P-384',
    'P-521',
  ];
  assert.deepEqual(parseGroups(all.join(':')), all);
});

test('reads names in any letter case and by their other spellings', () => {
  assert.deepEqual(parseGroups('x25519mlkem768 SECP384R1 prime256v1'), ['X25519MLKEM768', 'P-384', 'P-256']);
  assert.deepEqual(parseCiphers('ecdhe-rsa-aes256-gcm-sha384'), ['ECDHE-RSA-AES256-GCM-SHA384']);
});

test("reads a suite by IANA's name", () => {
  const iana = [
    'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
    'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  ];
  assert.deepEqual(parseCiphers(iana.join(':')), CIPHERS);
});

test('refuses groups that are weak, unknown or none', () => {
  for (const text of [
    '',
    ' ,: ',
    'secp192r1',
    'P-224',
    'secp256k1',
    'ffdhe2048',
    'MLKEM768',
    'X25519:P-224',
    '*X25519',
    '?X25519',
    'X25519/P-256',
    'DEFAULT',
    'auto',
  ])
    assert.throws(() => parseGroups(text), /RFC 9325/, text);
});

test('refuses suites without forward secrecy or AEAD, and words of OpenSSL that mean more than one suite', () => {
  for (const text of [
    '',
    'AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-SHA256',
    'DHE-RSA-AES256-GCM-SHA384',
    'NULL-SHA256',
    'AECDH-AES128-SHA',
    'ALL',
    'DEFAULT',
    'HIGH',
    'ECDHE+AESGCM',
    '@SECLEVEL=0',
    'ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0',
    'ECDHE-RSA-AES128-GCM-SHA256:!aNULL',
    'ECDHE-RSA-AES128-GCM-SHA256:ALL',
    'TLS_AES_128_GCM_SHA256',
    'TLS_RSA_WITH_AES_128_GCM_SHA256',
  ])
    assert.throws(() => parseCiphers(text), /RFC 9325/, text);
});
