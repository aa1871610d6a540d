/**
 * Peers that can only do TLS which is no longer secure (RFC 8996, RFC 9325 §4).
 */
import { genuine, type Attack } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';

const rsa = genuine.issue({ key: 'rsa:2048' });
const NO_TLS = ['validation-failure', /^(?:ERR_SSL_|ECONNRESET|connection-lost)/] as const;

const TLS_1_2 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;

const OLD_VERSIONS = [
  ['TLS 1.0', 'TLSv1'],
  ['TLS 1.1', 'TLSv1.1'],
] as const;

const WEAK_CIPHERS = [
  ['static RSA with CBC', 'AES128-SHA'],
  ['static RSA with GCM', 'AES256-GCM-SHA384'],
  ['ECDHE with CBC and SHA-1', 'ECDHE-RSA-AES128-SHA'],
  ['ECDHE with CBC and SHA-256', 'ECDHE-RSA-AES128-SHA256'],
  ['no encryption', 'NULL-SHA256'],
  ['ECDHE without encryption', 'ECDHE-RSA-NULL-SHA'],
  ['no certificate at all', 'AECDH-AES128-SHA'],
] as const;

function refusal(what: string, tls: NonNullable<Attack['script']['tls']>): Attack {
  return {
    name: `refuses a peer that can do only ${what}`,
    script: { identity: rsa, tls },
    reply: '451 4.7.5',
    insecure: NO_TLS,
  };
}

const old = OLD_VERSIONS.map(([what, version]) =>
  refusal(what, { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }),
);

const weak = WEAK_CIPHERS.map(([what, cipher]) =>
  refusal(what, { ...TLS_1_2, ciphers: `${cipher}:@SECLEVEL=0` }),
);

const weakKeyExchange = [
  refusal('finite-field DHE', {
    ...TLS_1_2,
    ciphers: 'DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0',
    dhparam: 'auto',
  }),
  refusal('a curve of 192 bits', {
    ...TLS_1_2,
    ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0',
    ecdhCurve: 'prime192v1',
  }),
  refusal('a key exchange signed over SHA-1', {
    ...TLS_1_2,
    ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0',
    sigalgs: 'RSA+SHA1',
  }),
];

const twins: readonly Innocent[] = [
  ...['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'].map(
    (ciphers): Innocent => ({
      name: `delivers by TLS 1.2 with ${ciphers}`,
      script: { identity: rsa, tls: { ...TLS_1_2, ciphers } },
    }),
  ),
  {
    name: 'delivers by TLS 1.2 with an ECDSA key',
    script: { tls: { maxVersion: 'TLSv1.2' } },
  },
  { name: 'delivers by TLS 1.3 alone', script: { tls: { minVersion: 'TLSv1.3' } } },
  { name: 'delivers by TLS 1.3 over P-256 alone', script: { tls: { ecdhCurve: 'P-256' } } },
];

for (const scheme of ['smtps', 'smtp'] as const) {
  hostileSuite(`Old TLS on ${scheme}:`, {
    setting: { scheme },
    attacks: [...old, ...weak, ...weakKeyExchange],
    twins,
  });
}

hostileSuite('TLS 1.3 required by the operator', {
  setting: { scheme: 'smtps', variables: { SEALPOST_TLS_MIN_VERSION: 'TLSv1.3' } },
  attacks: [refusal('TLS 1.2', { maxVersion: 'TLSv1.2' })],
  twins: [{ name: 'delivers by TLS 1.3', script: { tls: { minVersion: 'TLSv1.3' } } }],
});
