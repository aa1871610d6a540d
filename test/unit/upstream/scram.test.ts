/**
 * SCRAM: the RFCs' own examples, a server written apart from it, and every way in which a server can be wrong.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { Secret } from '../../../src/protocol/secret.ts';
import { SaslError, type Mechanism, type SaslReason } from '../../../src/upstream/sasl/mechanism.ts';
import { prepare } from '../../../src/upstream/sasl/prepare.ts';
import { ScramExchange, type BindingClaim } from '../../../src/upstream/sasl/scram-exchange.ts';
import { scram } from '../../../src/upstream/sasl/scram.ts';
import { decoded, encoded, ScramServer } from '../../support/scram-server.ts';

interface Example {
  readonly from: string;
  readonly hash: 'sha1' | 'sha256';
  readonly clientFirst: string;
  readonly serverFirst: string;
  readonly clientFinal: string;
  readonly serverFinal: string;
}

/** User `user`, password `pencil`. */
const EXAMPLES: readonly Example[] = [
  {
    from: 'RFC 5802 §5',
    hash: 'sha1',
    clientFirst: 'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
    serverFirst: 'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
    clientFinal: 'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    serverFinal: 'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
  },
  {
    from: 'RFC 7677 §3',
    hash: 'sha256',
    clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
    serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    clientFinal:
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  },
];

function exampleExchange({ hash, clientFirst }: Example): ScramExchange {
  return new ScramExchange({
    name: hash === 'sha1' ? 'SCRAM-SHA-1' : 'SCRAM-SHA-256',
    hash,
    login: { user: 'user', password: new Secret('pencil') },
    claim: 'cannot-bind',
    nonce: clientFirst.split('r=')[1] ?? '',
  });
}

for (const example of EXAMPLES) {
  test(`speaks the example of ${example.from}`, async () => {
    const exchange = exampleExchange(example);
    assert.equal(decoded(exchange.initialResponse), example.clientFirst);
    assert.equal(decoded(await exchange.respond(encoded(example.serverFirst))), example.clientFinal);
    assert.throws(() => exchange.conclude(), because('server-signature-missing'));
    assert.equal(await exchange.respond(encoded(example.serverFinal)), '');
    exchange.conclude();
    await assert.rejects(exchange.respond(''), because('unexpected-challenge'));
  });
}

const [SHA1] = EXAMPLES;
assert.ok(SHA1 !== undefined);
const NONCE = 'fyko+d2lbbFgONRv9qkxdawL';
const LONGER = `${NONCE}3rfcNHYJY1ZVvWVs7j`;
const SALT = 'QSXCR+Q6sek8bf92';

const WRONG_FIRST: readonly (readonly [what: string, message: string, reason: SaslReason])[] = [
  ['a nonce that is only ours', `r=${NONCE},s=${SALT},i=4096`, 'nonce'],
  ['a truncated nonce', `r=${NONCE.slice(0, -1)},s=${SALT},i=4096`, 'nonce'],
  ['a nonce that does not begin with ours', `r=x${LONGER},s=${SALT},i=4096`, 'nonce'],
  ['a nonce of its own', `r=somebody-else,s=${SALT},i=4096`, 'nonce'],
  ['a nonce in other letter case', `r=${LONGER.toUpperCase()},s=${SALT},i=4096`, 'nonce'],
  ['an empty nonce', `r=,s=${SALT},i=4096`, 'malformed-challenge'],
  ['a nonce that is not printable', `r=${LONGER}é,s=${SALT},i=4096`, 'malformed-challenge'],
  ['one iteration', `r=${LONGER},s=${SALT},i=1`, 'iteration-count-too-low'],
  ['one iteration less than allowed', `r=${LONGER},s=${SALT},i=4095`, 'iteration-count-too-low'],
  ['one iteration more than allowed', `r=${LONGER},s=${SALT},i=1000001`, 'iteration-count-too-high'],
  ['a milliard iterations', `r=${LONGER},s=${SALT},i=1000000000`, 'iteration-count-too-high'],
  ['iterations beyond any number', `r=${LONGER},s=${SALT},i=${'9'.repeat(400)}`, 'iteration-count-too-high'],
  ['no iterations', `r=${LONGER},s=${SALT},i=0`, 'malformed-challenge'],
  ['negative iterations', `r=${LONGER},s=${SALT},i=-4096`, 'malformed-challenge'],
  ['hexadecimal iterations', `r=${LONGER},s=${SALT},i=0x1000`, 'malformed-challenge'],
  ['iterations with a blank', `r=${LONGER},s=${SALT},i= 4096`, 'malformed-challenge'],
  ['no iteration count', `r=${LONGER},s=${SALT}`, 'malformed-challenge'],
  ['no salt', `r=${LONGER},i=4096`, 'malformed-challenge'],
  ['an empty salt', `r=${LONGER},s=,i=4096`, 'malformed-challenge'],
  ['a salt that is not base64', `r=${LONGER},s=***,i=4096`, 'malformed-challenge'],
  ['a salt without its padding', `r=${LONGER},s=QSXCR+Q6sek8bQ,i=4096`, 'malformed-challenge'],
  ['a salt with bits left over', `r=${LONGER},s=QSXCR+Q6sek8bR==,i=4096`, 'malformed-challenge'],
  ['another order', `s=${SALT},r=${LONGER},i=4096`, 'malformed-challenge'],
  ['a field that is no attribute', `r=${LONGER},s=${SALT},i=4096,oops`, 'malformed-challenge'],
  ['a mandatory extension in front', `m=x,r=${LONGER},s=${SALT},i=4096`, 'mandatory-extension'],
  ['a mandatory extension behind', `r=${LONGER},s=${SALT},i=4096,m=x`, 'mandatory-extension'],
  ['an error', 'e=unknown-user', 'server-error-unknown-user'],
  ['an error of its own wording', 'e=<script>', 'server-error-other-error'],
  ['the last message first', 'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=', 'malformed-challenge'],
  ['nothing, twice', '', 'malformed-challenge'],
];

for (const [what, message, reason] of WRONG_FIRST) {
  test(`gives up on a first message with ${what}`, async () => {
    const exchange = exampleExchange(SHA1);
    if (message === '') await exchange.respond('');
    await assert.rejects(exchange.respond(encoded(message)), because(reason));
    assert.deepEqual(exchange.proofs, []);
    assert.throws(() => exchange.conclude(), because('server-signature-missing'));
    await assert.rejects(exchange.respond(encoded(SHA1.serverFirst)), because('unexpected-challenge'));
  });
}

const RIGHT = 'rmF9pqV8S7suAoZWja4dJRkFsKQ=';
const WRONG_FINAL: readonly (readonly [what: string, message: string, reason: SaslReason])[] = [
  ['another signature', 'v=rmF9pqV8S7suAoZWja4dJRkFsKU=', 'server-signature-wrong'],
  ['a shorter signature', 'v=rmF9pqV8S7suAoZWja4d', 'server-signature-wrong'],
  [
    'a longer signature',
    `v=${Buffer.concat([Buffer.from(RIGHT, 'base64'), Buffer.alloc(1)]).toString('base64')}`,
    'server-signature-wrong',
  ],
  ['the signature without its padding', `v=${RIGHT.slice(0, -1)}`, 'malformed-challenge'],
  ['no signature', 'v=', 'malformed-challenge'],
  ['nothing', '', 'malformed-challenge'],
  ['the first message again', SHA1.serverFirst, 'malformed-challenge'],
  ['a mandatory extension', `v=${RIGHT},m=x`, 'mandatory-extension'],
  ['an error', 'e=invalid-proof', 'server-error-invalid-proof'],
  ['an error before the signature', `e=other-error,v=${RIGHT}`, 'server-error-other-error'],
];

for (const [what, message, reason] of WRONG_FINAL) {
  test(`does not believe a last message with ${what}`, async () => {
    const exchange = exampleExchange(SHA1);
    await exchange.respond(encoded(SHA1.serverFirst));
    await assert.rejects(exchange.respond(encoded(message)), because(reason));
    assert.throws(() => exchange.conclude(), because('server-signature-missing'));
    await assert.rejects(exchange.respond(encoded(SHA1.serverFinal)), because('unexpected-challenge'));
  });
}

test('gives up on a challenge that is not base64, not canonical base64 or not UTF-8', async () => {
  const right = encoded(SHA1.serverFirst);
  const notUtf8 = Buffer.concat([Buffer.from(`${SHA1.serverFirst},x=`), Buffer.from([0xff])]);
  for (const challenge of ['%%%', `${right} `, `${right}=`, right.slice(0, -3), notUtf8.toString('base64')]) {
    await assert.rejects(exampleExchange(SHA1).respond(challenge), because('malformed-challenge'));
  }
});

test('answers an empty challenge with the first message once, for a server that did not read it', async () => {
  for (const empty of ['', '=']) {
    const exchange = exampleExchange(SHA1);
    assert.equal(await exchange.respond(empty), exchange.initialResponse);
    assert.equal(decoded(await exchange.respond(encoded(SHA1.serverFirst))), SHA1.clientFinal);
  }
});

test('ignores an extension that is not mandatory', async () => {
  const exchange = exampleExchange(SHA1);
  assert.match(decoded(await exchange.respond(encoded(`${SHA1.serverFirst},x=1`))), /,p=/);
});

test('takes 192 fresh random bits for each nonce', () => {
  const login = { user: 'user', password: new Secret('pencil') };
  const nonces = Array.from({ length: 100 }, () => {
    const first = decoded(scram('SCRAM-SHA-256', login, 'cannot-bind').initialResponse ?? '');
    return /^n,,n=user,r=([A-Za-z0-9+/]{32})$/.exec(first)?.[1];
  });
  assert.ok(!nonces.includes(undefined));
  assert.equal(new Set(nonces).size, 100);
});

// RFC 4013 §3, and what must be escaped.
for (const [text, prepared] of [
  ['I\u00adX', 'IX'],
  ['user', 'user'],
  ['USER', 'USER'],
  ['\u00aa', 'a'],
  ['\u2168', 'IX'],
  ['a\u00a0b', 'a b'],
  ['u\u0308', 'ü'],
  ['\u{1f511}', '\u{1f511}'], // newer than Unicode 3.2
] as const) {
  test(`prepares ${JSON.stringify(text)} as ${JSON.stringify(prepared)}`, () => {
    assert.equal(prepare(text, 'password', 'SCRAM-SHA-256'), prepared);
  });
}

test('begins no exchange with a name or password that is prohibited, or empty when prepared', () => {
  for (const text of ['\u0007', '\u0627\u0031', '\ue000', '\ud800', '\u00ad', '']) {
    assert.throws(() => begin(text, 'pencil'), because('user-not-preparable'));
    assert.throws(() => begin('user', text), because('password-not-preparable'));
  }
  assert.throws(() => begin('='.repeat(4_000), 'pencil'), because('user-not-preparable'));
});

function begin(user: string, password: string): Mechanism {
  return scram('SCRAM-SHA-1', { user, password: new Secret(password) }, 'cannot-bind');
}

/** Characters that are what SASLprep makes of them, those of the syntax among them, and some that it changes. */
const ODD = fc.string({
  unit: fc.constantFrom(
    ...Array.from('=,ncrpsive2CD3 \'"\\%&@:;äöüßéøñžЖдΩλ漢字かな한€🔑'),
    '\u00a0',
    '\u3000',
    '\u00ad',
    'u\u0308',
    'ﬁ',
    '①',
  ),
  minLength: 1,
  maxLength: 40,
});

/** SASLprep of these characters, by other means than the relay's. */
function preparedOdd(text: string): string {
  return text
    .replaceAll('\u00ad', '')
    .replaceAll(/[\u00a0\u3000]/g, ' ')
    .normalize('NFKC');
}

test('logs in to a server written apart from it, whatever user and password are', async () => {
  const claim = fc.oneof(
    fc.constantFrom<BindingClaim>('offered-none', 'cannot-bind'),
    fc
      .uint8Array({ minLength: 32, maxLength: 64 })
      .map((octets): BindingClaim => ({ type: 'tls-exporter', data: Buffer.from(octets) })),
  );
  const usable = ODD.filter((text) => preparedOdd(text) !== '');
  await fc.assert(
    fc.asyncProperty(
      usable,
      usable,
      claim,
      fc.constantFrom('sha1', 'sha256'),
      async (user, password, how, hash) => {
        const name = hash === 'sha1' ? 'SCRAM-SHA-1' : 'SCRAM-SHA-256';
        const mechanism = scram(name, { user, password: new Secret(password) }, how);
        const bound = typeof how === 'string' ? {} : { binding: how };
        const server = new ScramServer({ hash, password: preparedOdd(password), ...bound });
        const final = await mechanism.respond(server.first(mechanism.initialResponse ?? ''));
        const name_ = server.clientFirst?.name.replaceAll('=2C', ',').replaceAll('=3D', '=');
        assert.equal(name_, preparedOdd(user));
        assert.equal(await mechanism.respond(server.final(final ?? '')), '');
        mechanism.conclude?.();
      },
    ),
    { numRuns: 60 },
  );
});

test('is refused by that server with another password, and by another binding', async () => {
  const login = { user: 'user', password: new Secret('pencil') };
  const data = Buffer.alloc(32, 1);
  for (const account of [
    { password: 'crayon', binding: { type: 'tls-exporter', data } },
    { password: 'pencil', binding: { type: 'tls-exporter', data: Buffer.alloc(32, 2) } },
  ]) {
    const mechanism = scram('SCRAM-SHA-256-PLUS', login, { type: 'tls-exporter', data });
    const server = new ScramServer({ hash: 'sha256', ...account });
    const final = await mechanism.respond(server.first(mechanism.initialResponse ?? ''));
    assert.match(decoded(server.final(final ?? '')), /^e=/);
  }
});

function because(reason: SaslReason): (error: unknown) => boolean {
  return (error) => error instanceof SaslError && error.reason === reason;
}
