import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, test } from 'node:test';

import { isPresentedBy, referenceIdentifier } from '../../../src/tls/reference-identifier.ts';
import { TestAuthority } from '../../support/pki.ts';

const authority = new TestAuthority();
after(() => authority.remove());

function isPresented(host: string, san: string, commonName?: string): boolean {
  const reference = referenceIdentifier(host);
  assert.ok(reference !== undefined);
  const named = commonName === undefined ? {} : { commonName };
  return isPresentedBy(reference, new X509Certificate(authority.issue({ san, ...named }).cert));
}

test('finds a name in the subjectAltName, without case', () => {
  assert.equal(isPresented('mail.example.test', 'DNS:Mail.Example.test'), true);
  assert.equal(isPresented('MAIL.example.TEST.', 'DNS:other.test,DNS:mail.example.test'), true);
});

test('never finds a name in the CN', () => {
  assert.equal(isPresented('mail.example.test', '', 'mail.example.test'), false);
  assert.equal(isPresented('mail.example.test', 'DNS:other.test', 'mail.example.test'), false);
  assert.equal(isPresented('mail.example.test', 'email:a@b.test', 'mail.example.test'), false);
});

test('takes a wildcard as the whole left-most label only', () => {
  assert.equal(isPresented('mail.example.test', 'DNS:*.example.test'), true);
  assert.equal(isPresented('a.mail.example.test', 'DNS:*.example.test'), false);
  assert.equal(isPresented('example.test', 'DNS:*.example.test'), false);
  assert.equal(isPresented('mail.example.test', 'DNS:m*.example.test'), false);
  assert.equal(isPresented('mail.example.test', 'DNS:mail.*.test'), false);
});

test('finds an address in an iPAddress entry only', () => {
  assert.equal(isPresented('127.0.0.1', 'IP:127.0.0.1'), true);
  assert.equal(isPresented('[::1]', 'IP:0:0:0:0:0:0:0:1'), true);
  assert.equal(isPresented('127.0.0.1', 'DNS:127.0.0.1'), false);
  assert.equal(isPresented('localhost', 'IP:127.0.0.1'), false);
});

test('reads a host as configured', () => {
  assert.deepEqual(referenceIdentifier('bücher.example'), { kind: 'dns', name: 'xn--bcher-kva.example' });
  assert.deepEqual(referenceIdentifier('[::1]'), { kind: 'ip', address: '::1' });
  const numbers = ['0x7f.1', '2130706433', '1.2.3', '1.2.3.4.'];
  for (const host of ['', 'a..b', '-a.test', 'a b', '*.example.test', 'a'.repeat(64), ...numbers]) {
    assert.equal(referenceIdentifier(host), undefined, host);
  }
});
