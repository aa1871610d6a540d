/**
 * Certificates that prove nothing about the name asked for, on implicit TLS and after STARTTLS, and their good twins.
 */
import { strict as assert } from 'node:assert';

import { genuine, type Attack } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { rawDnsNames, srvName, type Identity, type Wish } from '../support/pki.ts';
import { LAX_SERVER, MISMATCH, WRONG_CERTIFICATES } from '../support/wrong-certificates.ts';

const twins: readonly Innocent[] = [
  innocent('delivers to a certificate with its intermediate', { intermediate: true }),
  innocent('delivers to a certificate under two intermediates, as many as the first allows', {
    intermediate: { under: { pathLength: 1 } },
  }),
  innocent('delivers to an intermediate for servers', { intermediate: { extendedKeyUsage: 'serverAuth' } }),
  innocent('delivers to an intermediate with an RSA key of 2048 bits', { intermediate: { key: 'rsa:2048' } }),
  innocent('delivers to names that the intermediate is permitted', {
    intermediate: {
      nameConstraints: 'critical,permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0,excluded;DNS:test',
    },
    san: 'DNS:localhost,IP:127.0.0.1',
  }),
  innocent('delivers to an address where the intermediate is constrained to names alone', {
    intermediate: { nameConstraints: 'critical,permitted;DNS:localhost' },
    san: 'DNS:localhost,IP:127.0.0.1',
  }),
  innocent('delivers to an RSA key of 2048 bits', { key: 'rsa:2048' }),
  innocent('delivers to an RSA-PSS key of 2048 bits', { key: 'rsa-pss:2048' }),
  innocent('delivers to an EC key of 384 bits', { key: 'ec:P-384' }),
  innocent('delivers to an Ed25519 key', { key: 'ed25519' }),
  innocent('delivers to a certificate with the name among others and another CN', {
    san: `DNS:a.example.test,${srvName('_submissions.localhost')},DNS:localhost,DNS:*.example.test`,
    commonName: 'something else',
  }),
  innocent('delivers to the name beside another one with a NUL', {
    san: rawDnsNames('mail.example.test\0.attacker.test', 'localhost'),
  }),
  innocent('delivers to a certificate for servers and clients', {
    extendedKeyUsage: 'serverAuth,clientAuth',
  }),
  innocent('delivers to a key that may sign', { keyUsage: 'critical,digitalSignature' }),
  innocent('delivers to an unknown extension that is not critical', { extensions: ['1.2.3.4=DER:0500'] }),
  innocent('delivers to a signature over SHA-384', { digest: 'sha384' }),
];

for (const scheme of ['smtps', 'smtp'] as const) {
  hostileSuite(`Certificates on ${scheme}:`, {
    setting: { scheme },
    attacks: WRONG_CERTIFICATES.map(({ what, insecure, identity }) => refusal(what, insecure, identity)),
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
    ['a wildcard twice in a label', 'DNS:**.example.test'],
    ['a wildcard in the CN alone', '', '*.example.test'],
    ['a wildcard, a NUL and another name', rawDnsNames('*.example.test\0.attacker.test')],
    ['the domain without the host', 'DNS:example.test'],
    ['the domain with a dot before it', rawDnsNames('.example.test')],
    ['the name as the beginning of another', `DNS:${NAME}.attacker.test`],
    ['the name as the end of another', `DNS:x${NAME},DNS:x.${NAME}`],
    ['the name that was connected to instead of the one asked for', 'DNS:localhost,IP:127.0.0.1'],
  ].map(([what = '', san = '', commonName]) =>
    refusal(what, MISMATCH, genuine.issue({ san, ...(commonName === undefined ? {} : { commonName }) })),
  ),
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
    refusal('the address as an IPv6 address', MISMATCH, genuine.issue({ san: 'IP:::ffff:127.0.0.1' })),
    refusal('an address in the CN alone', MISMATCH, genuine.issue({ san: '', commonName: '127.0.0.1' })),
    refusal('a wildcard for an address', MISMATCH, genuine.issue({ san: 'DNS:*.0.0.1,DNS:*' })),
    refusal('the address in a URI', MISMATCH, genuine.issue({ san: 'URI:smtps://127.0.0.1' })),
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

// Reached over IPv4 all the same: the scripted upstream has one address, and the name is what is judged here.
hostileSuite('Certificates for an IPv6 address', {
  setting: {
    scheme: 'smtps',
    query: 'server-name=[2001:db8::1]',
    identity: genuine.issue({ san: 'IP:2001:db8::1' }),
  },
  attacks: [
    refusal('another IPv6 address', MISMATCH, genuine.issue({ san: 'IP:2001:db8::2' })),
    refusal(
      'the first octets of the address as an IPv4 address',
      MISMATCH,
      genuine.issue({ san: 'IP:32.1.13.184' }),
    ),
    refusal(
      'the IPv6 address written as a name',
      MISMATCH,
      genuine.issue({ san: rawDnsNames('2001:db8::1') }),
    ),
  ],
  twins: [
    innocent('delivers to the IPv6 address, however it is written', {
      san: 'DNS:mail.example.test,IP:2001:0db8:0:0:0:0:0:1',
    }),
  ],
});

function refusal(what: string, insecure: Attack['insecure'], identity: Identity): Attack {
  return {
    name: `refuses ${what}`,
    script: { identity, tls: LAX_SERVER },
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
