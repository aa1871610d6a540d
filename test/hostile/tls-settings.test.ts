/**
 * What an operator can set about TLS: each setting holds, narrows what is accepted, and shows in the ClientHello.
 */
import { strict as assert } from 'node:assert';

import { HelloKeeper, hellosIn, type ClientHello } from '../support/client-hello.ts';
import { attacker, genuine, type Attack, type Deviation } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import type { Identity, Wish } from '../support/pki.ts';

type Insecure = NonNullable<Attack['insecure']>;

const MISMATCH: Insecure = ['certificate-host-mismatch', /^ERR_TLS_CERT_ALTNAME_INVALID$/];
const EXPIRED: Insecure = ['certificate-expired', /^CERT_HAS_EXPIRED$/];
const UNTRUSTED: Insecure = ['certificate-not-trusted', /^[A-Z_]+$/];
const PIN_MISMATCH: Insecure = ['validation-failure', /^pin-mismatch$/];
const NO_TLS: Insecure = ['validation-failure', /^(?:ERR_SSL_|ECONNRESET|connection-lost)/];

const PAST = '20250601000000Z';
const NAME = 'mail.example.test';

const named = genuine.issue({ san: `DNS:${NAME}` });

hostileSuite('A server name for all entries', {
  setting: {
    scheme: 'smtps',
    host: '127.0.0.1',
    identity: named,
    variables: { SEALPOST_TLS_SERVER_NAME: NAME },
  },
  attacks: [
    refusal('the address that was connected to', MISMATCH, { san: 'IP:127.0.0.1,DNS:localhost' }),
    refusal('the name in the CN alone', MISMATCH, { san: 'IP:127.0.0.1', commonName: NAME }),
  ],
  twins: [
    { name: 'delivers to that name', script: {} },
    offering('asks for it by SNI', ({ serverName }) => assert.equal(serverName, NAME)),
  ],
});

hostileSuite('A server name for all entries, and another for one', {
  setting: {
    scheme: 'smtp',
    query: 'server-name=own.example.test',
    identity: genuine.issue({ san: 'DNS:own.example.test' }),
    variables: { SEALPOST_TLS_SERVER_NAME: NAME },
  },
  attacks: [
    { ...refusal('the name for all', MISMATCH), script: { identity: named } },
    refusal('the host', MISMATCH, {}),
  ],
  twins: [
    { name: "delivers to the entry's own", script: {} },
    offering("asks for the entry's own by SNI", ({ serverName }) =>
      assert.equal(serverName, 'own.example.test'),
    ),
  ],
});

hostileSuite('An address as the server name', {
  setting: {
    scheme: 'smtps',
    identity: genuine.issue({ san: 'IP:192.0.2.1' }),
    variables: { SEALPOST_TLS_SERVER_NAME: '192.0.2.1' },
  },
  attacks: [refusal('the host', MISMATCH, {}), refusal('it as a name', MISMATCH, { san: 'DNS:192.0.2.1' })],
  twins: [offering('sends no SNI', ({ serverName }) => assert.equal(serverName, undefined))],
});

const pinned = genuine.issue();
const pin = genuine.pin(pinned);

/** Key, chain and name: each right or wrong. */
function pinWithChain(key: boolean, chain: boolean, name: boolean): Identity {
  const authority = chain ? genuine : attacker;
  return authority.issue({ ...(key ? { keyOf: pinned } : {}), ...(name ? {} : { san: 'DNS:other.test' }) });
}

for (const setting of [
  { scheme: 'smtps', variables: { SEALPOST_TLS_PIN_SHA256: pin, SEALPOST_TLS_PIN_MODE: 'with-chain' } },
  {
    scheme: 'smtp',
    query: `pin=${encodeURIComponent(pin)}`,
    variables: { SEALPOST_TLS_PIN_MODE: 'with-chain' },
  },
] as const) {
  hostileSuite(`A pin with the chain on ${setting.scheme}`, {
    setting: { ...setting, identity: pinned },
    attacks: [
      given('another key', PIN_MISMATCH, pinWithChain(false, true, true)),
      given('another name', MISMATCH, pinWithChain(true, true, false)),
      given('another key and another name', MISMATCH, pinWithChain(false, true, false)),
      given('an unknown authority', UNTRUSTED, pinWithChain(true, false, true)),
      given('an unknown authority and another key', UNTRUSTED, pinWithChain(false, false, true)),
      given('an unknown authority and another name', UNTRUSTED, pinWithChain(true, false, false)),
      given('nothing that is right', UNTRUSTED, pinWithChain(false, false, false)),
      refusal('the pinned key in an expired certificate', EXPIRED, { keyOf: pinned, notAfter: PAST }),
      refusal('the pinned key in a self-signed certificate', UNTRUSTED, { keyOf: pinned, selfSigned: true }),
    ],
    twins: [
      {
        name: 'delivers where all three are right',
        script: { identity: pinWithChain(true, true, true) },
        also: async (stage) =>
          assert.equal((await stage.event('hop.secured'))['authenticatedBy'], 'pkix-and-pin'),
      },
      innocent('delivers to a renewed certificate over the pinned key', {
        keyOf: pinned,
        intermediate: true,
        notAfter: '20370101000000Z',
      }),
    ],
  });
}

const rsa = genuine.issue({ key: 'rsa:2048' });
const TLS_1_2 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
const TLS_1_3_SUITES = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
] as const;

hostileSuite('Cipher suites', {
  setting: {
    scheme: 'smtps',
    identity: rsa,
    variables: {
      SEALPOST_TLS_CIPHERS:
        'ECDHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305',
    },
  },
  attacks: [
    {
      ...refusal('a suite that was left out', NO_TLS),
      script: { tls: { ...TLS_1_2, ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' } },
    },
  ],
  twins: [
    {
      name: 'delivers by a suite that was named',
      script: { tls: { ...TLS_1_2, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } },
      also: async (stage) =>
        assert.equal((await stage.event('hop.secured'))['cipher'], 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'),
    },
    {
      name: 'delivers by TLS 1.3, whatever is named for TLS 1.2',
      script: { tls: { minVersion: 'TLSv1.3' } },
    },
    offering('offers those of TLS 1.3 and those that were named, in their order', ({ cipherSuites }) =>
      assert.deepEqual(withoutSignal(cipherSuites), [
        ...TLS_1_3_SUITES,
        'ECDHE-RSA-AES128-GCM-SHA256',
        'ECDHE-ECDSA-AES128-GCM-SHA256',
        'ECDHE-RSA-CHACHA20-POLY1305',
      ]),
    ),
  ],
});

hostileSuite('Without settings', {
  setting: { scheme: 'smtps' },
  attacks: [{ ...refusal('a group that is not offered', NO_TLS), script: { tls: { ecdhCurve: 'X448' } } }],
  twins: [
    offering('offers X25519MLKEM768 first, with keys for it and for X25519', ({ groups, keyShares }) => {
      assert.deepEqual(groups, ['X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521']);
      assert.deepEqual(keyShares, ['X25519MLKEM768', 'X25519']);
    }),
    offering('offers TLS 1.3 and 1.2, and suites with forward secrecy and AEAD alone', (hello) => {
      assert.deepEqual(hello.versions, ['TLSv1.3', 'TLSv1.2']);
      for (const suite of withoutSignal(hello.cipherSuites))
        assert.match(suite, /^(?:TLS|ECDHE-(?:ECDSA|RSA))[-_](?:AES(?:_?\d+)[-_]GCM|CHACHA20)/);
    }),
    agreeing('X25519MLKEM768', {}),
    agreeing('X25519', { tls: { ecdhCurve: 'X25519:P-256' } }),
    agreeing('P-256', { tls: { ecdhCurve: 'P-256' } }),
    agreeing('P-384', { tls: { ecdhCurve: 'P-384' } }),
    agreeing('X25519', { tls: { ...TLS_1_2, ecdhCurve: 'X25519:P-256' } }),
  ],
});

hostileSuite('One group', {
  setting: { scheme: 'smtp', variables: { SEALPOST_TLS_GROUPS: 'X25519' } },
  attacks: [{ ...refusal('a server without it', NO_TLS), script: { tls: { ecdhCurve: 'P-256' } } }],
  twins: [
    offering('offers that one alone', ({ groups, keyShares }) => {
      assert.deepEqual(groups, ['X25519']);
      assert.deepEqual(keyShares, ['X25519']);
    }),
    agreeing('X25519', {}),
  ],
});

hostileSuite('Groups in another order', {
  setting: {
    scheme: 'smtps',
    variables: { SEALPOST_TLS_GROUPS: 'P-384:SecP256r1MLKEM768, X448', SEALPOST_TLS_MIN_VERSION: 'TLSv1.3' },
  },
  attacks: [
    { ...refusal('a server without any of them', NO_TLS), script: { tls: { ecdhCurve: 'X25519:P-256' } } },
  ],
  twins: [
    offering('offers them in that order, and TLS 1.3 alone', ({ groups, versions }) => {
      assert.deepEqual(groups, ['P-384', 'SecP256r1MLKEM768', 'X448']);
      assert.deepEqual(versions, ['TLSv1.3']);
    }),
    agreeing('X448', { tls: { ecdhCurve: 'X448' } }),
    agreeing('SecP256r1MLKEM768', { tls: { ecdhCurve: 'SecP256r1MLKEM768' } }),
  ],
});

function refusal(what: string, insecure: Insecure, wish?: Wish): Attack {
  const script = wish === undefined ? {} : { identity: genuine.issue(wish) };
  return { name: `refuses ${what}`, script, reply: '451 4.7.5', insecure };
}

function given(what: string, insecure: Insecure, identity: Identity): Attack {
  return { ...refusal(what, insecure), script: { identity } };
}

function innocent(name: string, wish: Wish): Innocent {
  return { name, script: { identity: genuine.issue(wish) } };
}

/** Looks at the one ClientHello of a delivery. */
function offering(name: string, look: (hello: ClientHello) => void): Innocent {
  return {
    name,
    get script() {
      return { tamper: new HelloKeeper() };
    },
    also: ({ upstream }) => {
      const [hello, ...others] = hellosIn(upstream.script);
      assert.ok(hello !== undefined && others.length === 0, 'one ClientHello');
      look(hello);
    },
  };
}

function agreeing(group: string, script: Deviation): Innocent {
  const version = script.tls?.maxVersion ?? 'TLSv1.3';
  return {
    name: `agrees on ${group} with a server that can do ${script.tls?.ecdhCurve ?? 'everything'}, ${version}`,
    script,
    also: async (stage) => {
      const agreed = (await stage.event('hop.secured'))['group'];
      assert.ok(agreed === group || agreed === NODE_NAMES[group], String(agreed));
    },
  };
}

/** Node calls some groups by the name of the curve. */
const NODE_NAMES: Readonly<Record<string, string>> = { 'P-256': 'prime256v1', 'P-384': 'secp384r1' };

/** Without the signal that stands among the suites (RFC 5746 §3.3). */
function withoutSignal(suites: readonly string[]): readonly string[] {
  return suites.filter((suite) => suite !== 'TLS_EMPTY_RENEGOTIATION_INFO_SCSV');
}
