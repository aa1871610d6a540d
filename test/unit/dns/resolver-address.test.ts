import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseResolverAddress } from '../../../src/dns/resolver-address.ts';

const GOOD: readonly (readonly [string, object])[] = [
  ['127.0.0.1', { kind: 'plain', host: '127.0.0.1', port: 53 }],
  ['127.0.0.1:5302', { kind: 'plain', host: '127.0.0.1', port: 5302 }],
  ['127.3.2.1', { kind: 'plain', host: '127.3.2.1', port: 53 }],
  ['127.0.0.53', { kind: 'plain', host: '127.0.0.53', port: 53 }],
  ['::1', { kind: 'plain', host: '::1', port: 53 }],
  ['[::1]', { kind: 'plain', host: '::1', port: 53 }],
  ['[::1]:5353', { kind: 'plain', host: '::1', port: 5353 }],
  ['tls://dns.example', { kind: 'tls', host: 'dns.example', port: 853, reference: dns('dns.example') }],
  [
    'TLS://DNS.Example:8853/',
    { kind: 'tls', host: 'dns.example', port: 8853, reference: dns('dns.example') },
  ],
  ['tls://9.9.9.9', { kind: 'tls', host: '9.9.9.9', port: 853, reference: ip('9.9.9.9') }],
  ['tls://[2620:fe::fe]:853', { kind: 'tls', host: '2620:fe::fe', port: 853, reference: ip('2620:fe::fe') }],
  [
    'tls://9.9.9.9?server-name=dns.example',
    { kind: 'tls', host: '9.9.9.9', port: 853, reference: dns('dns.example') },
  ],
  [
    'tls://127.0.0.1:85?server-name=dns.example',
    { kind: 'tls', host: '127.0.0.1', port: 85, reference: dns('dns.example') },
  ],
];

const MUST_BE_TLS = /^should be tls:\/\/host: DNS to anything but a loopback address must go by TLS/;
const FORWARDER = /^should not be 127\.0\.0\.11: a container engine's forwarder validates nothing/;
const OPTION = /^is not understood: the only option after \? is server-name=/;

const BAD: readonly (readonly [string, RegExp])[] = [
  ['', /^should be a loopback address such as 127\.0\.0\.1/],
  ['127.0.0.11', FORWARDER],
  ['127.0.0.11:53', FORWARDER],
  ['[::ffff:127.0.0.11]:53', FORWARDER],
  ['192.0.2.1', MUST_BE_TLS],
  ['9.9.9.9:53', MUST_BE_TLS],
  ['0.0.0.0', MUST_BE_TLS],
  ['128.0.0.1', MUST_BE_TLS],
  ['2001:db8::1', MUST_BE_TLS],
  ['[fe80::1]:53', MUST_BE_TLS],
  ['::', MUST_BE_TLS],
  ['localhost', MUST_BE_TLS],
  ['dns.example:53', MUST_BE_TLS],
  ['127.1', MUST_BE_TLS],
  ['127.0.0.1/8', MUST_BE_TLS],
  ['[127.0.0.1]', /^should be a loopback address/],
  ['127.0.0.1:0', /^should have a port from 1 to 65535/],
  ['127.0.0.1:65536', /^should have a port from 1 to 65535/],
  ['127.0.0.1:dns', /^should have a port from 1 to 65535/],
  ['127.0.0.1 ', /^should have no blank/],
  ['127.0.0.1\n', /^should have no blank/],
  ['tcp://127.0.0.1', /there is no other scheme/],
  ['https://dns.example/dns-query', /there is no other scheme/],
  ['tls://', /^should /],
  ['tls://-bad-', /^should have a host name or an IP address after tls:\/\//],
  ['tls://dns.example:0', /^should have a port from 1 to 65535/],
  ['tls://dns.example:65536', /^should be tls:\/\/host or tls:\/\/host:port, the port 1 to 65535/],
  ['tls://user@dns.example', /^should have no user and no password/],
  ['tls://dns.example/dns-query', /^should have no path/],
  ['tls://dns.example#x', /^should have no path/],
  ['tls://dns.example?verify=off', OPTION],
  ['tls://dns.example?server-name=', OPTION],
  ['tls://dns.example?server-name=a.test&server-name=b.test', OPTION],
  ['tls://dns.example?server-name=a.test&verify=off', OPTION],
  ['tls://dns.example?server-name=%zz', /^should have every % followed by two hexadecimal digits/],
];

for (const [text, address] of GOOD) {
  test(`reads ${text}`, () => assert.deepEqual(parseResolverAddress(text), address));
}

for (const [text, problem] of BAD) {
  test(`refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => parseResolverAddress(text), { message: problem }));
}

function dns(name: string): object {
  return { kind: 'dns', name };
}

function ip(address: string): object {
  return { kind: 'ip', address };
}
