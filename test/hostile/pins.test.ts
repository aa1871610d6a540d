/**
 * Pinned keys, the password in the URL, and the operator's choice of a permanent refusal.
 */
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { attacker, genuine, GOOD_IDENTITY, type Attack, type Setting } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import type { Identity } from '../support/pki.ts';
import { CLOSE } from '../support/scripted-upstream.ts';

const PIN_MISMATCH = ['validation-failure', /^pin-mismatch$/] as const;
const UNTRUSTED = ['certificate-not-trusted', /^[A-Z_]+$/] as const;
const NOT_OFFERED = ['starttls-not-supported', /^not-offered$/] as const;

const WEAK = { insecure: ['validation-failure', /^weak-key$/] } as const;
/** A server with a weak key has to be told that it may. */
const LAX_SERVER = { ciphers: 'ALL:@SECLEVEL=0' } as const;

const pinned = genuine.issue({ selfSigned: true });
const pin = genuine.pin(pinned);
const unknown = attacker.issue();

const attacks: readonly Attack[] = [
  refusal('a valid chain over another key than the pinned one', GOOD_IDENTITY),
  refusal("an attacker's chain over another key than the pinned one", unknown),
  refusal('another self-signed certificate than the pinned one', genuine.issue({ selfSigned: true })),
];

const twins: readonly Innocent[] = [
  { name: 'delivers to the pinned key in a self-signed certificate', script: { identity: pinned } },
  {
    name: 'delivers to the pinned key in an expired certificate for another name',
    script: {
      identity: genuine.issue({ keyOf: pinned, san: 'DNS:other.test', notAfter: '20250601000000Z' }),
    },
  },
];

/** Where a pin can stand. */
const places: readonly (readonly [where: string, Setting])[] = [
  ['a variable, implicit TLS', { scheme: 'smtps', variables: { SEALPOST_TLS_PIN_SHA256: pin } }],
  ['a variable, STARTTLS', { scheme: 'smtp', variables: { SEALPOST_TLS_PIN_SHA256: pin } }],
  ['the URL', { scheme: 'smtps', query: `pin=${encodeURIComponent(pin)}` }],
  [
    'the URL beside a server name',
    { scheme: 'smtp', query: `server-name=mail.example.test&pin=${encodeURIComponent(pin)}` },
  ],
];

for (const [where, setting] of places) {
  hostileSuite(`A pin in ${where}`, { setting: { ...setting, identity: pinned }, attacks, twins });
}

const next = genuine.issue({ selfSigned: true });
const weak = genuine.issue({ selfSigned: true, key: 'rsa:1024' });
const almost = genuine.issue({ key: 'rsa:2040' });
const intermediate = genuine.intermediate();
const underIt = genuine.issue({ intermediate: true });
const several = [pinned, next, weak, almost, intermediate, genuine.identity].map((one) => genuine.pin(one));

hostileSuite('Several pins', {
  setting: {
    scheme: 'smtps',
    identity: pinned,
    // However they are separated.
    variables: {
      SEALPOST_TLS_PIN_SHA256: several.map((one, at) => one + [' ', ',', ', '][at % 3]).join(''),
      SEALPOST_TLS_PIN_MODE: 'alone',
    },
  },
  attacks: [
    refusal('another key than all of them', GOOD_IDENTITY),
    refusal('another key under a pinned intermediate', underIt),
    refusal('another key under a pinned authority that is sent along', {
      key: GOOD_IDENTITY.key,
      cert: GOOD_IDENTITY.cert + genuine.caPem,
    }),
    refusal('another key with the pinned certificate sent along', {
      key: unknown.key,
      cert: unknown.cert + pinned.cert,
    }),
    { ...refusal('a pinned RSA key of 1024 bits', weak), ...WEAK },
    { ...refusal('a pinned RSA key of 2040 bits', almost), ...WEAK },
  ],
  twins: [
    { name: 'delivers to the first', script: { identity: pinned } },
    { name: 'delivers to the second, after a rotation', script: { identity: next } },
    {
      name: 'delivers to the second in a certificate of an authority',
      script: { identity: attacker.issue({ keyOf: next }) },
    },
  ],
});

hostileSuite('A permanent refusal', {
  setting: { scheme: 'smtp', variables: { SEALPOST_TLS_FAILURE_REPLY: 'permanent' } },
  attacks: [
    {
      name: 'is what an upstream without STARTTLS draws',
      script: { clearKeywords: [] },
      reply: '550 5.7.10',
      insecure: NOT_OFFERED,
    },
    {
      name: 'is what a certificate of an unknown authority draws',
      script: { identity: unknown },
      reply: '550 5.7.10',
      insecure: UNTRUSTED,
    },
    {
      name: 'is not what a lost connection draws',
      script: { answer: () => CLOSE },
      reply: '451 4.4.2',
    },
  ],
  twins: [],
});

const PLAIN = Buffer.from(`\0relay-user\0${CANARY_PASSWORD}`).toString('base64');

hostileSuite('A password in the URL', {
  setting: { scheme: 'smtps', credentials: `relay-user:${encodeURIComponent(CANARY_PASSWORD)}` },
  attacks: [
    {
      name: 'stays at home when the certificate is of an unknown authority',
      script: { identity: unknown },
      reply: '451 4.7.5',
      insecure: UNTRUSTED,
    },
  ],
  twins: [
    {
      name: 'is shown to the verified upstream and to no log',
      script: {
        answer: (line) => (line.startsWith('AUTH') && !line.endsWith(PLAIN) ? '535 5.7.8 no\r\n' : undefined),
      },
    },
  ],
});

function refusal(what: string, identity: Identity): Attack {
  return {
    name: `refuses ${what}`,
    script: { identity, tls: LAX_SERVER },
    reply: '451 4.7.5',
    insecure: PIN_MISMATCH,
  };
}
