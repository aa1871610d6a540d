import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { readProxyHeader } from '../../../src/listener/proxy-header.ts';
import { proxyV2 } from '../../support/proxy-header.ts';

const text = (line: string): Buffer => Buffer.from(line, 'latin1');
const V4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0xd9, 0x03, 0, 25]);
const MAPPED = Buffer.from(`${'00'.repeat(10)}ffffc0000207${'00'.repeat(10)}ffffc6336401d9030019`, 'hex');
const V6 = Buffer.from(`20010db8${'00'.repeat(11)}0720010db8${'00'.repeat(11)}01d9030019`, 'hex');

for (const [line, client] of [
  ['PROXY TCP4 192.0.2.7 198.51.100.1 55555 25\r\n', '192.0.2.7'],
  ['PROXY TCP6 2001:DB8::7 2001:db8::1 55555 25\r\n', '2001:db8::7'],
  ['PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 55555 25\r\n', '192.0.2.7'],
  ['PROXY UNKNOWN\r\n', undefined],
  ['PROXY UNKNOWN ff:f::1 ffff::2 1 2\r\n', undefined],
] as const) {
  test(`reads ${JSON.stringify(line)}`, () => {
    assert.deepEqual(readProxyHeader(text(`${line}EHLO x\r\n`)), { client, length: line.length });
  });
}

for (const line of [
  'PROXY TCP4 192.0.2.7 198.51.100.1 55555\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 55555 25 1\r\n',
  'PROXY TCP4 192.0.2.007 198.51.100.1 55555 25\r\n',
  'PROXY TCP4 192.0.2.7  198.51.100.1 55555 25\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n',
  'PROXY TCP4 192.0.2.7 198.51.100.1 055 25\r\n',
  'PROXY TCP4 2001:db8::7 2001:db8::1 55555 25\r\n',
  'PROXY TCP6 192.0.2.7 198.51.100.1 55555 25\r\n',
  'PROXY TCP6 fe80::1%eth0 2001:db8::1 55555 25\r\n',
  'PROXY UDP4 192.0.2.7 198.51.100.1 55555 25\r\n',
  'PROXY tcp4 192.0.2.7 198.51.100.1 55555 25\r\n',
  'PROXY \r\n',
  `PROXY UNKNOWN ${'x'.repeat(120)}\r\n`,
]) {
  test(`does not take ${JSON.stringify(line.slice(0, 60))} for a header`, () => {
    assert.equal(readProxyHeader(text(line)), 'malformed-proxy-header');
  });
}

test('tells what is no header from the first octet that differs', () => {
  for (const start of ['E', 'EHLO x\r\n', 'PROXY\r\n', 'proxy ', '\r\n\r\n\0\r\nQUIT\r', '\x16\x03\x01']) {
    assert.equal(readProxyHeader(text(start)), 'no-proxy-header', JSON.stringify(start));
  }
});

test('reads binary headers over IPv4 and IPv6, with more behind the addresses', () => {
  const tlv = Buffer.from([0x04, 0, 1, 0]);
  const four = proxyV2({ family: 0x11, rest: Buffer.concat([V4, tlv]) });
  assert.deepEqual(readProxyHeader(four), { client: '192.0.2.7', length: four.length });
  const six = proxyV2({ family: 0x21, rest: Buffer.concat([V6, tlv]) });
  assert.deepEqual(readProxyHeader(six), { client: '2001:db8::7', length: six.length });
  const mapped = proxyV2({ family: 0x21, rest: MAPPED });
  assert.deepEqual(readProxyHeader(mapped), { client: '192.0.2.7', length: mapped.length });
});

test('names no client where the balancer speaks for itself, or for none with an IP address', () => {
  for (const header of [
    proxyV2({ command: 0, family: 0, rest: Buffer.alloc(0) }),
    proxyV2({ command: 0, family: 0x11, rest: V4 }),
    proxyV2({ family: 0x31, rest: Buffer.alloc(216) }),
    proxyV2({ family: 0x00, rest: Buffer.alloc(0) }),
  ]) {
    assert.deepEqual(readProxyHeader(header), { client: undefined, length: header.length });
  }
});

test('refuses binary headers that are no version 2, of no known or too short for their family, or endless', () => {
  for (const header of [
    proxyV2({ version: 1, family: 0x11, rest: V4 }),
    proxyV2({ command: 2, family: 0x11, rest: V4 }),
    proxyV2({ family: 0x11, rest: V4.subarray(0, 11) }),
    proxyV2({ family: 0x21, rest: V6.subarray(0, 35) }),
    proxyV2({ family: 0x41, rest: V6 }),
    proxyV2({ family: 0x13, rest: V4 }),
    proxyV2({ family: 0x11, rest: Buffer.alloc(4_097) }),
  ]) {
    assert.equal(readProxyHeader(header), 'malformed-proxy-header');
  }
});

test('wants more of a header that is cut anywhere, and never reads beyond it', () => {
  const headers = [
    text('PROXY TCP4 192.0.2.7 198.51.100.1 55555 25\r\n'),
    proxyV2({ family: 0x21, rest: V6 }),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...headers), fc.uint8Array({ maxLength: 300 }), (header, behind) => {
      for (let at = 1; at < header.length; at += 1) {
        assert.equal(readProxyHeader(header.subarray(0, at)), undefined);
      }
      const found = readProxyHeader(Buffer.concat([header, behind]));
      assert.ok(typeof found === 'object' && found.length === header.length);
    }),
  );
});

test('answers whatever comes', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', 'PROXY ', '\r\n\r\n\0\r\nQUIT\n'),
      fc.uint8Array({ maxLength: 400 }),
      (start, rest) => {
        const octets = Buffer.concat([text(start), rest]);
        const found = readProxyHeader(octets);
        if (typeof found === 'object') assert.ok(found.length <= octets.length);
        if (octets.length > 4_200) assert.notEqual(found, undefined);
      },
    ),
  );
});
