import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { parseUpstreams } from '../../../src/config/upstream-list.ts';
import { identifierText } from '../../../src/tls/reference-identifier.ts';

const PIN = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+/8=';

function ways(text: string): readonly string[] {
  return parseUpstreams(text).flatMap(({ place }) =>
    place.kind === 'srv'
      ? [`srv ${place.domain.name}`]
      : place.endpoints.map(({ tls, port }) => `${tls} ${identifierText(place.reference)} ${port}`),
  );
}

test('reads each form of an upstream as one way to TLS, or two', () => {
  const forms: readonly [string, readonly string[]][] = [
    ['smtps://mail.test', ['implicit mail.test 465']],
    ['smtps://mail.test:10465', ['implicit mail.test 10465']],
    ['smtp://mail.test', ['starttls mail.test 587']],
    ['SMTP://Mail.Test:25/', ['starttls mail.test 25']],
    ['mail.test', ['implicit mail.test 465', 'starttls mail.test 587']],
    ['mail.test:465', ['implicit mail.test 465']],
    ['mail.test:587', ['starttls mail.test 587']],
    ['smtps://127.0.0.1:1', ['implicit 127.0.0.1 1']],
    ['smtps://[::1]:1', ['implicit ::1 1']],
    ['bücher.test', ['implicit xn--bcher-kva.test 465', 'starttls xn--bcher-kva.test 587']],
    ['srv:mail.test', ['srv mail.test']],
    ['srv:587', ['starttls srv 587']],
    ['SRV://user:password@Mail.Test?server-name=a.test', ['srv mail.test']],
    ['smtps://a.test, smtp://b.test', ['implicit a.test 465', 'starttls b.test 587']],
  ];
  for (const [text, expected] of forms) assert.deepEqual(ways(text), expected, text);
});

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll("'", '%27');
}

test('gives back any user and password that were percent-encoded', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, unit: 'grapheme' }),
      fc.string({ minLength: 1 }),
      (user, password) => {
        const [entry] = parseUpstreams(`smtps://${encode(user)}:${encode(password)}@mail.test`);
        assert.equal(entry?.login?.user, user);
        assert.equal(entry.login.password.reveal(), password);
      },
    ),
  );
});

test('reads pins, whose base64 has +, and another name to verify', () => {
  const [entry] = parseUpstreams(`smtps://127.0.0.1?pin=${PIN}&pin=${PIN}&server-name=mail.test`);
  assert.deepEqual(entry?.pins, [PIN, PIN]);
  assert.deepEqual(entry.serverName, { kind: 'dns', name: 'mail.test' });
});

test('refuses what is no upstream, and does not repeat what may be a password', () => {
  const forms = [
    '',
    'http://mail.test',
    'smtp+insecure://mail.test',
    'mail.test:25',
    'smtps://',
    'smtps://mail.test:0',
    'smtps://mail.test:99999',
    'smtps://mail.test/path',
    'smtps://user@mail.test',
    'smtps://:canary@mail.test',
    'smtps://user%00:canary@mail.test',
    'smtps://user:canary%00@mail.test',
    'smtps://user:canary%@mail.test',
    'smtps://mail.test?verify=no',
    'smtps://mail.test?pin=canary',
    'smtps://mail.test?server-name=',
    'a.test,,b.test',
    'smtps://user:canary#x@mail.test',
    'smtps://user:canary/x@mail.test',
  ];
  for (const text of forms) {
    assert.throws(
      () => parseUpstreams(text),
      (error) => error instanceof Error && !error.message.includes('canary'),
      text,
    );
  }
});
