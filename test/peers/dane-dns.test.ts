/**
 * DANE from end to end: what the relay makes of DNS itself, from the secure denial to the resolver that is gone, and of
 * answers that change (RFC 7672 §2.1).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import {
  DaneStage,
  LIMIT,
  own,
  POLICIES,
  sceneAt,
  SELF_SIGNED,
  tlsaLines,
  tlsaOf,
  trusted,
  underEach,
  WELL_KNOWN,
  type DaneCase,
  type Refused,
} from '../support/peers/dane-stage.ts';
import { freePorts } from '../support/peers/peer.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import type { Identity } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import { TlsServer } from '../support/tls-server.ts';

const RESOLVER_NAME = 'dns.example.test';

const SELF_SIGNED_RECORD = own.tlsa(SELF_SIGNED, 3, 1, 1);
const OTHER_RECORD = own.tlsa(own.issue(), 3, 1, 1);
const WELL_KNOWN_RECORD = own.tlsa(WELL_KNOWN, 3, 1, 1);

const NOT_TRUSTED = { resultType: 'certificate-not-trusted', reason: /SELF_SIGNED/ } as const;

/** DANE is required and there is none; the same upstream is good enough where it is not required. */
function required(reason: RegExp): Refused {
  const twin = { policy: 'when-published', by: 'pkix' } as const;
  return { resultType: 'dane-required', reason, phase: 'resolve', twin };
}

/** Nothing about the upstream is wrong but what DNS says; under another name it is good. */
function invalid(reason: RegExp): Refused {
  const twin = {
    host: 'smtp.insecure.test',
    policy: 'when-published',
    variables: undefined,
    by: 'pkix',
  } as const;
  return { resultType: 'dnssec-invalid', reason, phase: 'resolve', twin };
}

const USELESS: Readonly<Record<string, readonly string[]>> = {
  'of usage 0 and 1 only': [own.tlsa(SELF_SIGNED, 0, 1, 1), own.tlsa(SELF_SIGNED, 1, 1, 1)],
  '9 9 9, which means nothing': [`9 9 9 ${'a5'.repeat(32)}`],
};

const denials: readonly DaneCase[] = [
  {
    name: 'asks for chain and name where DNSSEC says that there is no record',
    presents: WELL_KNOWN,
    expected: { by: 'pkix', name: 'smtp.secure.test' },
  },
  {
    name: 'refuses a self-signed certificate where DNSSEC says that there is no record',
    presents: SELF_SIGNED,
    expected: { ...NOT_TRUSTED, twin: { presents: WELL_KNOWN, by: 'pkix' } },
  },
  {
    name: 'refuses where a record is required and DNSSEC says that there is none',
    presents: WELL_KNOWN,
    policy: 'require',
    expected: required(/^no-tlsa-record$/),
  },
  ...(['insecure', 'island'] as const).flatMap((zone): readonly DaneCase[] => [
    {
      name: `ignores a record that does not match in ${zone}.test, where nothing vouches for it`,
      presents: WELL_KNOWN,
      host: `smtp.${zone}.test`,
      records: (port) => ({ [zone]: tlsaLines(port, [OTHER_RECORD]) }),
      expected: { by: 'pkix' },
    },
    {
      name: `does not believe a record in ${zone}.test, where nothing vouches for it`,
      presents: SELF_SIGNED,
      host: `smtp.${zone}.test`,
      records: (port) => ({ [zone]: tlsaLines(port, [SELF_SIGNED_RECORD]) }),
      expected: { ...NOT_TRUSTED, twin: { presents: WELL_KNOWN, by: 'pkix' } },
    },
    {
      name: `refuses where a record is required and the one there is in ${zone}.test`,
      presents: WELL_KNOWN,
      host: `smtp.${zone}.test`,
      policy: 'require',
      records: (port) => ({ [zone]: tlsaLines(port, [WELL_KNOWN_RECORD]) }),
      expected: required(/^not-dnssec-secure$/),
    },
  ]),
  ...Object.entries(USELESS).flatMap(([what, records]): readonly DaneCase[] => [
    {
      name: `asks for chain and name where the records are ${what}`,
      presents: WELL_KNOWN,
      records: tlsaOf(...records),
      expected: { by: 'pkix' },
    },
    {
      name: `refuses where a record is required and those there are ${what}`,
      presents: WELL_KNOWN,
      policy: 'require',
      records: tlsaOf(...records),
      expected: required(/^no-usable-tlsa-record$/),
    },
  ]),
];

const IMPATIENT = (): Variables => ({ SEALPOST_CONNECT_TIMEOUT: '1' });

/** In each of these the certificate has a good chain for the name: there must be no falling back to that. */
const faults: readonly DaneCase[] = [
  ...(['bogus', 'expired'] as const).map((zone): DaneCase => ({
    name: `refuses what ${zone}.test says`,
    presents: WELL_KNOWN,
    host: `smtp.${zone}.test`,
    records: (port) => ({ [zone]: tlsaLines(port, [WELL_KNOWN_RECORD]) }),
    expected: invalid(/^dns-bogus$/),
  })),
  ...underEach(POLICIES, {
    name: 'refuses a record whose signature is spoiled',
    presents: WELL_KNOWN,
    records: tlsaOf(WELL_KNOWN_RECORD),
    spoiled: 'smtp',
    expected: invalid(/^dns-bogus$/),
  }),
  {
    name: 'refuses when the upstream cannot be looked up (SERVFAIL)',
    presents: WELL_KNOWN,
    host: 'smtp.refused.test',
    expected: invalid(/^dns-servfail$/),
  },
  {
    name: 'refuses when nobody answers for the upstream',
    presents: WELL_KNOWN,
    host: 'smtp.silent.test',
    variables: IMPATIENT,
    expected: invalid(/^dns-timeout$/),
  },
  // The address is there, and secure: whoever can make one question fail must not get rid of DANE.
  ...(
    [
      ['bogus', /^dns-bogus$/],
      ['refused', /^dns-servfail$/],
      ['silent', /^dns-timeout$/],
    ] as const
  ).map(([zone, reason]): DaneCase => ({
    name: `refuses when the address is secure and the record is in ${zone}.test`,
    presents: WELL_KNOWN,
    ...(zone === 'silent' ? { variables: IMPATIENT } : {}),
    records: (port) => ({ secure: [`_${port}._tcp.smtp IN CNAME _${port}._tcp.smtp.${zone}.test.`] }),
    expected: invalid(reason),
  })),
];

let deaf: TlsServer;
let closedPort = 0;
const heard: Buffer[] = [];

/** DNS over TLS on that port, for a server that proves the name. */
function overTls(port: number, name: string): Readonly<Record<string, string>> {
  return { SEALPOST_DNS_RESOLVER: `tls://127.0.0.1:${port}?server-name=${name}` };
}

const HOSTILE_SWITCHES = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
const resolvers: readonly DaneCase[] = [
  {
    name: 'believes a resolver over TLS that proves its name',
    presents: SELF_SIGNED,
    policy: 'require',
    variables: ({ dnssec }) => overTls(dnssec.overTlsPort, RESOLVER_NAME),
    records: tlsaOf(SELF_SIGNED_RECORD),
    expected: { by: 'dane-ee' },
  },
  {
    name: 'refuses when the resolver over TLS proves another name',
    presents: WELL_KNOWN,
    variables: ({ dnssec }) => overTls(dnssec.overTlsPort, 'other.example.test'),
    expected: invalid(/^dns-not-verified$/),
  },
  {
    name: 'refuses the same with verification switched off in the environment, and asks nothing',
    presents: WELL_KNOWN,
    variables: () => ({ ...overTls(deaf.port, 'other.example.test'), ...HOSTILE_SWITCHES }),
    expected: invalid(/^dns-not-verified$/),
  },
  {
    name: 'refuses when the resolver is gone',
    presents: WELL_KNOWN,
    variables: () => ({ SEALPOST_DNS_RESOLVER: `127.0.0.1:${closedPort}`, SEALPOST_CONNECT_TIMEOUT: '2' }),
    expected: invalid(/^dns-(?:unreachable|timeout)$/),
  },
  {
    name: 'refuses where a record is required and the resolver does not validate',
    presents: WELL_KNOWN,
    policy: 'require',
    variables: ({ dnssec }) => ({ SEALPOST_DNS_RESOLVER: dnssec.authoritative }),
    records: tlsaOf(WELL_KNOWN_RECORD),
    expected: required(/^not-dnssec-secure$/),
  },
];

const cases = [...denials, ...faults, ...resolvers];
let stage: DaneStage;
const started = new AsyncDisposableStack();
before(async () => {
  const identity = trusted.issue({ san: `DNS:${RESOLVER_NAME}` });
  deaf = await TlsServer.start(identity, () => (octets) => heard.push(octets));
  started.defer(async () => deaf.stop());
  [closedPort = 0] = await freePorts(1);
  stage = started.use(await DaneStage.start(cases, { identity }));
});
after(async () => started.disposeAsync());

for (const [subject, some] of Object.entries({ denials, faults, resolvers })) {
  describe(subject, { concurrency: 3 }, () => {
    for (const one of some) test(one.name, LIMIT, async () => stage.judge(one));
  });
}

test('has asked nothing of the resolver that proved another name', () => {
  assert.equal(Buffer.concat(heard).length, 0);
});

/** That key and no other, for so many seconds. */
async function publish(upstream: ScriptedUpstream, identity: Identity, seconds: number): Promise<void> {
  const line = `_${upstream.port}._tcp.smtp ${seconds} IN TLSA ${own.tlsa(identity, 3, 1, 1)}`;
  await stage.dnssec.publish({ records: { secure: [line] } });
}

describe('a record that changes', () => {
  const first = SELF_SIGNED;
  const second = own.issue({ selfSigned: true, san: 'DNS:smtp.secure.test' });
  const REFUSED = { resultType: 'tlsa-invalid', reason: /^tlsa-mismatch$/ } as const;

  test('counts for new hops when its time is up, and a kept hop goes on', LIMIT, async ({ signal }) => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: first });
    await using relay = await stage.relay(sceneAt(upstream, { policy: 'require' }));
    await publish(upstream, first, 1);
    await stage.assertDelivered(relay, upstream, { by: 'dane-ee' });
    await publish(upstream, second, 300);
    assert.equal((await stage.send(relay)).code, 250);
    assert.equal(upstream.connections.length, 1, 'the hop is kept');
    await upstream.hangUp();
    upstream.play({ ...upstream.script, identity: second });
    // Until then the new key is refused.
    while ((await stage.send(relay)).code !== 250) {
      signal.throwIfAborted(); // the time of the test is up
      assert.equal(upstream.messages.length, 0);
    }
    await upstream.hangUp();
    upstream.play({ ...upstream.script, identity: first });
    assert.match((await stage.send(relay)).raw, /^451 4\.7\.5 /);
  });

  test('counts as it was as long as its time lasts', LIMIT, async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: second });
    await using relay = await stage.relay(sceneAt(upstream, { policy: 'require' }));
    await publish(upstream, first, 300);
    await stage.assertRefused(relay, upstream, REFUSED);
    await publish(upstream, second, 300);
    assert.match((await stage.send(relay)).raw, /^451 4\.7\.5 /);
    upstream.play({ ...upstream.script, identity: first });
    await stage.assertDelivered(relay, upstream, { by: 'dane-ee' });
  });
});
