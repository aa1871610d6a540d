/**
 * Certificates that prove nothing about the name asked for, on implicit TLS and after STARTTLS.
 */
import { strict as assert } from 'node:assert';

import { attacker, genuine, type Attack } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { TestAuthority, type Identity, type Wish } from '../support/pki.ts';

const MISMATCH = ['certificate-host-mismatch', /^ERR_TLS_CERT_ALTNAME_INVALID$/] as const;
const EXPIRED = ['certificate-expired', /^CERT_HAS_EXPIRED$/] as const;
const UNTRUSTED = ['certificate-not-trusted', /^[A-Z_]+$/] as const;
const INVALID = ['validation-failure', /^[A-Z_]+$/] as const;

const PAST = '20250601000000Z';
const FUTURE = '20350101000000Z';

/** Same name as the trusted authority, another key: what an attacker can make in a minute. */
const impostor = new TestAuthority('Genuine test CA');
process.on('exit', () => impostor.remove());

const forged = impostor.issue();
const unknown = attacker.issue();

const wrong: readonly (readonly [what: string, Attack['insecure'], Identity])[] = [
  ['an expired certificate', EXPIRED, genuine.issue({ notAfter: PAST })],
  ['a certificate that is not yet valid', INVALID, genuine.issue({ notBefore: FUTURE })],
  ['a certificate for another name', MISMATCH, genuine.issue({ san: 'DNS:mail.attacker.test' })],
  ['a name in the CN alone', MISMATCH, genuine.issue({ san: '', commonName: 'localhost' })],
  [
    'a name in the CN beside other names in the subjectAltName',
    MISMATCH,
    genuine.issue({ san: 'DNS:mail.attacker.test', commonName: 'localhost' }),
  ],
  [
    'the name as an address, a URI or a mailbox',
    MISMATCH,
    genuine.issue({ san: 'IP:127.0.0.1,URI:smtp://localhost,email:postmaster@localhost' }),
  ],
  ['a self-signed certificate', UNTRUSTED, genuine.issue({ selfSigned: true })],
  ['a certificate of an unknown authority', UNTRUSTED, unknown],
  [
    'a chain that brings its own root along',
    UNTRUSTED,
    { key: unknown.key, cert: unknown.cert + attacker.caPem },
  ],
  ['an authority of the right name with another key', UNTRUSTED, forged],
  [
    'a forged certificate with the genuine root sent along',
    UNTRUSTED,
    { key: forged.key, cert: forged.cert + genuine.caPem },
  ],
  [
    'a chain without its intermediate',
    UNTRUSTED,
    genuine.issue({ intermediate: true, omitIntermediate: true }),
  ],
  [
    'a certificate issued by one that is no authority',
    UNTRUSTED,
    genuine.issue({ intermediate: true, intermediateIsAuthority: false }),
  ],
  [
    'a certificate under an expired intermediate',
    EXPIRED,
    genuine.issue({ intermediate: true, intermediateNotAfter: PAST }),
  ],
  ['a certificate for clients only', UNTRUSTED, genuine.issue({ extendedKeyUsage: 'clientAuth' })],
  ['a certificate for signing code', UNTRUSTED, genuine.issue({ extendedKeyUsage: 'codeSigning' })],
  ['an RSA key of 1024 bits', INVALID, genuine.issue({ key: 'rsa:1024' })],
  ['a signature over SHA-1', INVALID, genuine.issue({ digest: 'sha1' })],
];

const twins: readonly Innocent[] = [
  innocent('delivers to a certificate with its intermediate', { intermediate: true }),
  innocent('delivers to an RSA key of 2048 bits', { key: 'rsa:2048' }),
  innocent('delivers to a certificate with the name among others and another CN', {
    san: 'DNS:a.example.test,DNS:localhost,DNS:*.example.test',
    commonName: 'something else',
  }),
  innocent('delivers to a certificate for servers and clients', {
    extendedKeyUsage: 'serverAuth,clientAuth',
  }),
  innocent('delivers to a signature over SHA-384', { digest: 'sha384' }),
];

for (const scheme of ['smtps', 'smtp'] as const) {
  hostileSuite(`Certificates on ${scheme}:`, {
    setting: { scheme },
    attacks: wrong.map(([what, insecure, identity]) => refusal(what, insecure, identity)),
    twins,
  });
}

const NAME = 'mail.example.test';

hostileSuite('Certificate names', {
  setting: { scheme: 'smtps', query: `server-name=${NAME}`, identity: genuine.issue({ san: `DNS:${NAME}` }) },
  attacks: [
    ['a wildcard over two labels', 'DNS:*.test'],
    ['a wildcard below the name', `DNS:*.${NAME}`],
    ['a wildcard alone', 'DNS:*'],
    ['two wildcards', 'DNS:*.*.test'],
    ['a wildcard that is not the left-most label', 'DNS:mail.*.test'],
    ['a wildcard at the end of a label', 'DNS:ma*.example.test'],
    ['a wildcard at the start of a label', 'DNS:*il.example.test'],
    ['a wildcard inside a label', 'DNS:m*l.example.test'],
    ['the domain without the host', 'DNS:example.test'],
    ['the name as the beginning of another', `DNS:${NAME}.attacker.test`],
    ['the name as the end of another', `DNS:x${NAME},DNS:x.${NAME}`],
    ['the name that was connected to instead of the one asked for', 'DNS:localhost,IP:127.0.0.1'],
  ].map(([what = '', san = '']) => refusal(what, MISMATCH, genuine.issue({ san }))),
  twins: [
    innocent('delivers to a wildcard over the left-most label', { san: 'DNS:*.example.test' }),
    innocent('delivers to the name in other letter case', { san: 'DNS:Mail.EXAMPLE.test' }),
    {
      name: 'asks for the configured name by SNI',
      script: {},
      also: ({ upstream }) => assert.equal(serverName(upstream.connections[0]?.socket), NAME),
    },
  ],
});

hostileSuite('Certificates for an address', {
  setting: { scheme: 'smtps', host: '127.0.0.1', identity: genuine.issue({ san: 'IP:127.0.0.1' }) },
  attacks: [
    refusal('a name instead of the address', MISMATCH, genuine.issue({ san: 'DNS:localhost' })),
    refusal('the address written as a name', MISMATCH, genuine.issue({ san: 'DNS:127.0.0.1' })),
    refusal('another address', MISMATCH, genuine.issue({ san: 'IP:127.0.0.2' })),
    refusal('an address in the CN alone', MISMATCH, genuine.issue({ san: '', commonName: '127.0.0.1' })),
    refusal('a wildcard for an address', MISMATCH, genuine.issue({ san: 'DNS:*.0.0.1,DNS:*' })),
  ],
  twins: [
    innocent('delivers to the address among names', { san: 'DNS:mail.example.test,IP:127.0.0.1' }),
    {
      name: 'sends no SNI for an address',
      script: {},
      also: ({ upstream }) => assert.equal(serverName(upstream.connections[0]?.socket), false),
    },
  ],
});

function refusal(what: string, insecure: Attack['insecure'], identity: Identity): Attack {
  return {
    name: `refuses ${what}`,
    script: { identity, tls: { ciphers: 'ALL:@SECLEVEL=0' } },
    reply: '451 4.7.5',
    ...(insecure === undefined ? {} : { insecure }),
  };
}

function innocent(name: string, wish: Wish): Innocent {
  return { name, script: { identity: genuine.issue(wish) } };
}

/** What the client asked for by SNI, on the server's side of the socket. */
function serverName(socket: object | undefined): unknown {
  return socket !== undefined && 'servername' in socket ? socket.servername : undefined;
}
