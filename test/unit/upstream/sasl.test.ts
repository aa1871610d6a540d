/**
 * The mechanisms without a proof of the server, and the choice among all of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { Secret } from '../../../src/protocol/secret.ts';
import type { ChannelBinding } from '../../../src/tls/channel-binding.ts';
import { chooseMechanism } from '../../../src/upstream/sasl/choose.ts';
import { cramMd5 } from '../../../src/upstream/sasl/cram-md5.ts';
import { external } from '../../../src/upstream/sasl/external.ts';
import { login } from '../../../src/upstream/sasl/login.ts';
import { SaslError, type MechanismName } from '../../../src/upstream/sasl/mechanism.ts';
import { plain } from '../../../src/upstream/sasl/plain.ts';
import { withoutEcho } from '../../../src/upstream/sasl/without-echo.ts';

const credentials = { user: 'aliçe', password: new Secret('corréct horse') };
const b64 = (text: string): string => Buffer.from(text).toString('base64');

test('puts user and password into one PLAIN response, in UTF-8', () => {
  assert.equal(plain(credentials).initialResponse, b64('\0aliçe\0corréct horse'));
});

test('answers a PLAIN prompt once', () => {
  const mechanism = plain(credentials);
  assert.equal(mechanism.respond(''), b64('\0aliçe\0corréct horse'));
  assert.equal(mechanism.respond(''), undefined);
});

test('answers LOGIN prompts in order, however they are worded', () => {
  for (const [first, second] of [
    ['Username:', 'Password:'],
    ['User Name\0', 'Password\0'],
    ['', ''],
    ['login', 'geheim'],
  ] as const) {
    const mechanism = login(credentials);
    assert.equal(mechanism.respond(b64(first)), b64('aliçe'));
    assert.equal(mechanism.respond(b64(second)), b64('corréct horse'));
    assert.equal(mechanism.respond(b64('more')), undefined);
  }
});

test('never answers the first LOGIN prompt, nor one for a user name, with the password', () => {
  assert.equal(login(credentials).respond(b64('Password:')), undefined);
  const mechanism = login(credentials);
  void mechanism.respond(b64('Username:'));
  assert.equal(mechanism.respond(b64('Username:')), undefined);
});

test('speaks the CRAM-MD5 example of RFC 2195 §2', () => {
  const mechanism = cramMd5({ user: 'tim', password: new Secret('tanstaaftanstaaf') });
  assert.equal(mechanism.initialResponse, undefined);
  const challenge = 'PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+';
  assert.equal(mechanism.respond(challenge), 'dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw');
  assert.throws(() => mechanism.respond(challenge), because('unexpected-challenge'));
});

test('digests no CRAM-MD5 challenge that is empty or not base64', () => {
  for (const challenge of ['', '=', 'Hello!', 'SGVsbG8']) {
    const mechanism = cramMd5(credentials);
    assert.throws(() => mechanism.respond(challenge), because('malformed-challenge'));
    assert.deepEqual(mechanism.proofs, []);
  }
});

test('names an identity in EXTERNAL, or leaves it to the certificate, and repeats it once', () => {
  for (const user of ['', 'aliçe']) {
    const mechanism = external(user);
    assert.equal(mechanism.initialResponse, b64(user));
    assert.equal(mechanism.respond(''), b64(user));
    assert.equal(mechanism.respond(''), undefined);
  }
});

test('shows a secret in no way', () => {
  const { password } = credentials;
  for (const shown of [String(password), JSON.stringify({ password }), inspect({ password })])
    assert.doesNotMatch(shown, /horse/);
});

interface Choice {
  readonly offered: string;
  readonly allowed?: readonly MechanismName[];
  readonly binds?: boolean;
  /** The mechanism, and for SCRAM the header with which it begins. */
  readonly chosen: string | undefined;
}

const EVERYTHING =
  'LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS EXTERNAL';

const CHOICES: readonly Choice[] = [
  { offered: EVERYTHING, binds: true, chosen: 'SCRAM-SHA-256-PLUS p=tls-exporter,,' },
  { offered: EVERYTHING, chosen: 'SCRAM-SHA-256 n,,' },
  { offered: 'SCRAM-SHA-256 SCRAM-SHA-1-PLUS', binds: true, chosen: 'SCRAM-SHA-1-PLUS p=tls-exporter,,' },
  { offered: 'PLAIN SCRAM-SHA-1 SCRAM-SHA-256', binds: true, chosen: 'SCRAM-SHA-256 y,,' },
  { offered: 'PLAIN LOGIN SCRAM-SHA-1', binds: true, chosen: 'SCRAM-SHA-1 y,,' },
  { offered: 'PLAIN LOGIN SCRAM-SHA-1', chosen: 'SCRAM-SHA-1 n,,' },
  { offered: 'LOGIN PLAIN CRAM-MD5 DIGEST-MD5 GSSAPI', binds: true, chosen: 'CRAM-MD5' },
  { offered: 'LOGIN PLAIN', binds: true, chosen: 'PLAIN' },
  { offered: 'LOGIN XOAUTH2', binds: true, chosen: 'LOGIN' },
  { offered: EVERYTHING, binds: true, allowed: ['LOGIN', 'PLAIN'], chosen: 'PLAIN' },
  {
    offered: EVERYTHING,
    binds: true,
    allowed: ['SCRAM-SHA-256', 'SCRAM-SHA-1'],
    chosen: 'SCRAM-SHA-256 n,,',
  },
  {
    offered: EVERYTHING,
    binds: true,
    allowed: ['SCRAM-SHA-1', 'SCRAM-SHA-1-PLUS'],
    chosen: 'SCRAM-SHA-1-PLUS p=tls-exporter,,',
  },
  // `y` would say that the server offered no binding, and it did.
  {
    offered: 'SCRAM-SHA-256-PLUS SCRAM-SHA-1',
    binds: true,
    allowed: ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-1'],
    chosen: 'SCRAM-SHA-1 n,,',
  },
  {
    offered: 'SCRAM-SHA-256',
    binds: true,
    allowed: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'],
    chosen: 'SCRAM-SHA-256 y,,',
  },
  { offered: 'SCRAM-SHA-256 PLAIN', binds: true, allowed: ['SCRAM-SHA-256-PLUS'], chosen: undefined },
  { offered: 'SCRAM-SHA-256-PLUS', chosen: undefined },
  { offered: 'EXTERNAL', chosen: undefined },
  { offered: 'EXTERNAL', allowed: ['EXTERNAL'], chosen: undefined },
  { offered: 'SCRAM-SHA-512 SCRAM-SHA-256X DIGEST-MD5', chosen: undefined },
  { offered: EVERYTHING, allowed: [], chosen: undefined },
  { offered: '', chosen: undefined },
];

const BINDING: ChannelBinding = { type: 'tls-exporter', data: Buffer.alloc(32) };

for (const { offered, allowed, binds, chosen } of CHOICES) {
  const limit = allowed === undefined ? '' : `, allowed ${allowed.join(' ') || 'none'}`;
  const how = binds === true ? 'on a session that can be bound' : 'on a session without a binding';
  test(`takes ${chosen ?? 'none'} of ${offered === '' ? 'none' : offered}${limit}, ${how}`, () => {
    const mechanism = chooseMechanism(
      offered.split(' '),
      { kind: 'password', ...credentials, mechanisms: allowed },
      binds === true ? BINDING : undefined,
    );
    assert.notEqual(mechanism, 'certificate-alone');
    if (typeof mechanism !== 'object') return assert.equal(mechanism, chosen);
    const first = Buffer.from(mechanism.initialResponse ?? '', 'base64').toString();
    const header = mechanism.name.startsWith('SCRAM-') ? ` ${first.slice(0, first.indexOf('n='))}` : '';
    return assert.equal(mechanism.name + header, chosen);
  });
}

test('lets the certificate speak in EXTERNAL, and never a password mechanism in its place', () => {
  const certificate = { kind: 'certificate', user: '', isRequired: true } as const;
  const chosen = chooseMechanism(EVERYTHING.split(' '), certificate, BINDING);
  assert.ok(typeof chosen === 'object' && chosen.name === 'EXTERNAL');
  assert.equal(chooseMechanism(['PLAIN'], certificate, BINDING), undefined);
  const optional = { ...certificate, isRequired: false };
  assert.equal(chooseMechanism(['PLAIN'], optional, BINDING), 'certificate-alone');
});

test('keeps the codes and drops the text of a reply that repeats a secret or eight characters of it', () => {
  const secrets = ['dGltIGI5MTNhNjAy', 'b913a602c7eda7a4', ''];
  for (const text of ['5.7.8 bad line dGltIGI5MTNhNjAy', '5.7.8 BAD DIGEST B913A602', '5.7.8 c7eda7a4?']) {
    assert.deepEqual(withoutEcho({ code: 535, lines: [text] }, secrets), { code: 535, lines: ['5.7.8'] });
  }
  const harmless = { code: 535, lines: ['5.7.8 no, * b913a6'] };
  assert.equal(withoutEcho(harmless, secrets), harmless);
});

function because(reason: string): (error: unknown) => boolean {
  return (error) => error instanceof SaslError && error.reason === reason;
}
