/**
 * What DNS says about a way, and what the peer there must then prove: where DANE counts, doubt never makes it less.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { DnsFaultReason } from '../../../src/dns/dns-error.ts';
import { DnsError } from '../../../src/dns/dns-error.ts';
import { RelayError } from '../../../src/protocol/failure.ts';
import { identifierText } from '../../../src/tls/reference-identifier.ts';
import type { TlsaRecord } from '../../../src/tls/tlsa.ts';
import { Trust } from '../../../src/tls/trust.ts';
import { locate, orNameFailure, type Located } from '../../../src/upstream/locate.ts';
import type { Authentication, Target } from '../../../src/upstream/target.ts';
import type { Way } from '../../../src/upstream/way.ts';
import { dnsOrIp, ScriptedNames, type Said, type Sayings } from './scripted-names.ts';

const trust = new Trust({ addedAnchors: [], isAnchorsOnly: true });
const HOST = 'mail.example.test';
const END = 'end.example.test';
const RECORD: TlsaRecord = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 1) };
const ANCHOR: TlsaRecord = { ...RECORD, usage: 2 };
const PKIX_ONLY: TlsaRecord = { ...RECORD, usage: 1 };

const PKIX: Authentication = { by: 'pkix' };
const WHEN_PUBLISHED: Authentication = { by: 'dane', otherwise: 'pkix' };
const REQUIRE: Authentication = { by: 'dane', otherwise: 'refuse' };

const FOUND: Said<string> = { records: ['192.0.2.25', '2001:db8::25'] };
const ALIAS: Said<string> = { ...FOUND, canonicalName: END };
const FAULTS: readonly DnsFaultReason[] = [
  'bogus',
  'servfail',
  'refused',
  'timeout',
  'unreachable',
  'malformed',
  'not-verified',
];

interface Asking {
  readonly authentication?: Authentication;
  readonly sayings?: Sayings;
  readonly machine?: Sayings;
  readonly way?: Partial<Way>;
}

interface Told {
  readonly located: Promise<Located>;
  readonly asked: readonly string[];
  readonly machineAsked: readonly string[];
}

function asking({ authentication = WHEN_PUBLISHED, sayings, machine, way }: Asking): Told {
  const place = {
    kind: 'host',
    reference: dnsOrIp(HOST),
    endpoints: [{ tls: 'implicit', port: 465 }],
  } as const;
  const target: Target = { place, trust, authentication };
  const name = dnsOrIp(HOST);
  const whole: Way = {
    host: name,
    endpoint: place.endpoints[0],
    references: [name],
    tlsaBase: name,
    ...way,
  };
  const resolver = new ScriptedNames(sayings ?? { addresses: { [HOST]: FOUND } });
  const own = new ScriptedNames(machine);
  const located = locate(target, whole, { resolver, machine: own }, AbortSignal.timeout(5_000));
  return { located, asked: resolver.asked, machineAsked: own.asked };
}

/** What is demanded, and of which names. */
async function demanded(one: Asking): Promise<readonly [string, readonly string[]]> {
  const { demand, references } = await asking(one).located;
  return [demand.kind === 'proof' ? demand.proof.by : 'dane', references.map(identifierText)];
}

async function refusedWith(one: Asking, failure: object): Promise<void> {
  await assert.rejects(asking(one).located, { name: 'RelayError', failure });
}

const required = (reason: string): object => ({
  kind: 'tls',
  phase: 'resolve',
  resultType: 'dane-required',
  reason,
});

describe('without DANE', () => {
  test('gives the addresses and what was asked for, and looks for no TLSA record', async () => {
    const pins = ['x'] as const;
    for (const authentication of [PKIX, { by: 'pin', pins }, { by: 'pkix-and-pin', pins }] as const) {
      const { located, asked } = asking({ authentication });
      const { addresses, demand } = await located;
      assert.deepEqual(addresses, FOUND.records);
      assert.deepEqual(demand, { kind: 'proof', proof: authentication });
      assert.deepEqual(asked, [`addresses ${HOST}`]);
    }
  });

  for (const reason of FAULTS) {
    test(`fails with ${reason} as a failure of DNS`, async () => {
      const sayings: Sayings = { addresses: { [HOST]: reason } };
      await refusedWith({ authentication: PKIX, sayings }, { kind: 'dns', phase: 'resolve', reason });
    });
  }

  test('takes an address as it is and asks nobody', async () => {
    const address = dnsOrIp('192.0.2.25');
    const way = { host: address, references: [address], tlsaBase: address } as const;
    const { located, asked, machineAsked } = asking({ authentication: PKIX, way });
    assert.deepEqual((await located).addresses, ['192.0.2.25']);
    assert.deepEqual([asked, machineAsked], [[], []]);
  });
});

describe('a name that DNS does not have', () => {
  const sayings: Sayings = {};

  test('may be the machine’s own, and no less is demanded', async () => {
    const machine: Sayings = { addresses: { [HOST]: { records: ['10.0.0.25'], isSecure: false } } };
    const { located } = asking({ authentication: PKIX, sayings, machine });
    assert.deepEqual((await located).addresses, ['10.0.0.25']);
    assert.deepEqual(await demanded({ sayings, machine }), ['pkix', [HOST]]);
    await refusedWith({ authentication: REQUIRE, sayings, machine }, required('no-tlsa-record'));
  });

  test('still has its TLSA records, whatever the machine says about its address', async () => {
    const machine: Sayings = { addresses: { [HOST]: { records: ['10.0.0.25'] } } };
    const published: Sayings = { tlsa: { [`465 ${HOST}`]: { records: [RECORD] } } };
    assert.deepEqual(await demanded({ sayings: published, machine }), ['dane', [HOST]]);
  });

  test('is not found where the machine has none either', async () => {
    const failure = { kind: 'dns', phase: 'resolve', reason: 'not-found' };
    for (const authentication of [PKIX, WHEN_PUBLISHED, REQUIRE])
      await refusedWith({ authentication, sayings }, failure);
  });

  test('is not asked of the machine when the resolver gave no answer', async () => {
    const { located, machineAsked } = asking({ sayings: { addresses: { [HOST]: 'servfail' } } });
    await assert.rejects(located);
    assert.deepEqual(machineAsked, []);
  });
});

const withTlsa = (said: Said<TlsaRecord> | DnsFaultReason, addresses = FOUND): Sayings => ({
  addresses: { [HOST]: addresses },
  tlsa: { [`465 ${HOST}`]: said },
});

describe('DANE', () => {
  test('demands what secure records say, under either policy', async () => {
    for (const authentication of [WHEN_PUBLISHED, REQUIRE]) {
      const { located } = asking({
        authentication,
        sayings: withTlsa({ records: [RECORD, ANCHOR, PKIX_ONLY] }),
      });
      const { demand } = await located;
      assert.deepEqual(demand, { kind: 'dane', records: { endEntity: [RECORD], anchors: [ANCHOR] } });
    }
  });

  test('asks at the port of the way', async () => {
    const way = { endpoint: { tls: 'starttls', port: 587 } } as const;
    const { located, asked } = asking({ way, sayings: withTlsa({ records: [RECORD] }) });
    assert.equal((await located).demand.kind, 'proof', 'the record of port 465 does not count');
    assert.deepEqual(asked, [`addresses ${HOST}`, `tlsa 587 ${HOST}`]);
  });

  for (const [what, sayings, reason] of [
    ['there is no record', withTlsa({}), 'no-tlsa-record'],
    ['the record is not secure', withTlsa({ records: [RECORD], isSecure: false }), 'not-dnssec-secure'],
    ['its denial is not secure', withTlsa({ isSecure: false }), 'not-dnssec-secure'],
    ['no record is usable', withTlsa({ records: [PKIX_ONLY] }), 'no-usable-tlsa-record'],
    [
      'the address is not secure',
      withTlsa({ records: [RECORD] }, { ...FOUND, isSecure: false }),
      'not-dnssec-secure',
    ],
  ] as const) {
    test(`demands chain and name, or refuses where it is required, when ${what}`, async () => {
      assert.deepEqual(await demanded({ sayings }), ['pkix', [HOST]]);
      await refusedWith({ authentication: REQUIRE, sayings }, required(reason));
    });
  }

  test('does not ask for the records of a host whose address is not secure', async () => {
    const { located, asked } = asking({ sayings: withTlsa('bogus', { ...FOUND, isSecure: false }) });
    assert.equal((await located).demand.kind, 'proof');
    assert.deepEqual(asked, [`addresses ${HOST}`]);
  });

  for (const reason of FAULTS) {
    test(`fails as dnssec-invalid when an answer is ${reason}, and demands no less`, async () => {
      const failure = {
        kind: 'tls',
        phase: 'resolve',
        resultType: 'dnssec-invalid',
        reason: `dns-${reason}`,
      };
      for (const authentication of [WHEN_PUBLISHED, REQUIRE]) {
        await refusedWith({ authentication, sayings: withTlsa(reason) }, failure);
        await refusedWith({ authentication, sayings: { addresses: { [HOST]: reason } } }, failure);
      }
    });
  }

  test('has no records for an address, nor for a way that is not secure', async () => {
    const address = dnsOrIp('192.0.2.25');
    const literal = { way: { host: address, references: [address], tlsaBase: address } } as const;
    assert.deepEqual(await demanded(literal), ['pkix', ['192.0.2.25']]);
    await refusedWith({ ...literal, authentication: REQUIRE }, required('no-tlsa-record'));
    const insecure = { way: { tlsaBase: undefined }, sayings: withTlsa({ records: [RECORD] }) };
    assert.deepEqual(await demanded(insecure), ['pkix', [HOST]]);
    await refusedWith({ ...insecure, authentication: REQUIRE }, required('not-dnssec-secure'));
  });

  test('asks under the server name alone where that is another than the host', async () => {
    const name = dnsOrIp('name.example.test');
    for (const addresses of [FOUND, { ...FOUND, isSecure: false }, ALIAS]) {
      const sayings: Sayings = {
        addresses: { [HOST]: addresses },
        tlsa: { '465 name.example.test': { records: [RECORD] }, [`465 ${END}`]: { records: [ANCHOR] } },
      };
      const { located, asked } = asking({ sayings, way: { references: [name], tlsaBase: name } });
      assert.deepEqual((await located).references, [name]);
      assert.deepEqual(asked, [`addresses ${HOST}`, 'tlsa 465 name.example.test']);
    }
  });
});

describe('an alias', () => {
  const with_ = (tlsa: NonNullable<Sayings['tlsa']>, isSecure = true): Sayings => ({
    addresses: { [HOST]: { ...ALIAS, isSecure } },
    tlsa,
  });
  const atEnd = { [`465 ${END}`]: { records: [RECORD] } };
  const atAlias = { [`465 ${HOST}`]: { records: [ANCHOR] } };

  test('has the records of its end, and either name counts', async () => {
    assert.deepEqual(await demanded({ sayings: with_({ ...atEnd, ...atAlias }) }), ['dane', [END, HOST]]);
    const { located, asked } = asking({ sayings: with_({ ...atEnd, ...atAlias }) });
    const { demand } = await located;
    assert.deepEqual(demand, { kind: 'dane', records: { endEntity: [RECORD], anchors: [] } });
    assert.ok(!asked.includes(`tlsa 465 ${HOST}`));
  });

  for (const [what, end] of [
    ['has none', {}],
    ['has one that is not secure', { records: [RECORD], isSecure: false }],
  ] as const) {
    test(`has its own records where its end ${what}, and its own name counts`, async () => {
      const sayings = with_({ [`465 ${END}`]: end, ...atAlias });
      assert.deepEqual(await demanded({ sayings }), ['dane', [HOST]]);
    });
  }

  test('does not fall back on its own records where those of its end are of no use', async () => {
    const sayings = with_({ [`465 ${END}`]: { records: [PKIX_ONLY] }, ...atAlias });
    assert.deepEqual(await demanded({ sayings }), ['pkix', [HOST]]);
    await refusedWith({ authentication: REQUIRE, sayings }, required('no-usable-tlsa-record'));
  });

  test('does not fall back on its own records where there is no answer about its end', async () => {
    const sayings = with_({ [`465 ${END}`]: 'servfail', ...atAlias });
    await assert.rejects(asking({ sayings }).located, {
      failure: { kind: 'tls', phase: 'resolve', resultType: 'dnssec-invalid', reason: 'dns-servfail' },
    });
  });

  test('that is not secure never adds a name or the records of its end', async () => {
    const sayings = with_(atEnd, false);
    assert.deepEqual(await demanded({ sayings }), ['pkix', [HOST]]);
    const { located, asked } = asking({ sayings });
    await located;
    assert.deepEqual(asked, [`addresses ${HOST}`, `tlsa 465 ${HOST}`]);
    await refusedWith({ authentication: REQUIRE, sayings }, required('no-tlsa-record'));
  });

  test('that is not secure as a whole may have secure records of its own', async () => {
    assert.deepEqual(await demanded({ sayings: with_(atAlias, false) }), ['dane', [HOST]]);
  });

  test('that differs from its end in case alone is none', async () => {
    const sayings: Sayings = {
      addresses: { [HOST]: { ...FOUND, canonicalName: HOST.toUpperCase() } },
      tlsa: atAlias,
    };
    assert.deepEqual(await demanded({ sayings }), ['dane', [HOST]]);
  });

  test('of an SRV target keeps the names of the target and the domain', async () => {
    const host = dnsOrIp(HOST);
    const way = { references: [host, dnsOrIp('example.test')] } as const;
    assert.deepEqual(await demanded({ way, sayings: with_(atEnd) }), ['dane', [END, HOST, 'example.test']]);
  });
});

describe('orNameFailure', () => {
  test('leaves what is no fault of DNS as it is', async () => {
    for (const error of [new TypeError('x'), new RelayError({ kind: 'hop-loop' })]) {
      const failing = orNameFailure(true, async () => {
        throw error;
      });
      await assert.rejects(failing, (thrown) => thrown === error);
    }
    assert.equal(await orNameFailure(true, async () => 7), 7);
  });

  test('keeps the fault as the cause', async () => {
    const fault = new DnsError('timeout');
    const failing = orNameFailure(false, async () => {
      throw fault;
    });
    await assert.rejects(failing, (thrown) => thrown instanceof RelayError && thrown.cause === fault);
  });
});
