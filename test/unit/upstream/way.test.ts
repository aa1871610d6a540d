/**
 * The ways to a target: order, names that a certificate may show, and where TLSA records are looked for.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import type { SrvRecord } from '../../../src/dns/answer.ts';
import { identifierText } from '../../../src/tls/reference-identifier.ts';
import { Trust } from '../../../src/tls/trust.ts';
import type { Place, Target } from '../../../src/upstream/target.ts';
import { waysTo, wayText, type Way } from '../../../src/upstream/way.ts';
import { dnsOrIp, ScriptedNames, type Sayings } from './scripted-names.ts';

const trust = new Trust({ addedAnchors: [], isAnchorsOnly: true });
const DOMAIN: Place = { kind: 'srv', domain: { kind: 'dns', name: 'example.test' } };

function srv(priority: number, port: number, target: string, weight = 1): SrvRecord {
  return { priority, weight, port, target };
}

async function ways(place: Place, sayings: Sayings = {}, serverName?: string): Promise<readonly Way[]> {
  const target: Target = {
    place,
    trust,
    authentication: { by: 'pkix' },
    ...(serverName === undefined ? {} : { serverName: dnsOrIp(serverName) }),
  };
  return waysTo(target, new ScriptedNames(sayings), AbortSignal.timeout(5_000));
}

/** `mode host:port`, in order. */
async function order(srvSayings: Sayings['srv']): Promise<readonly string[]> {
  const found = await ways(DOMAIN, srvSayings === undefined ? {} : { srv: srvSayings });
  return found.map((way) => `${way.endpoint.tls} ${Object.values(wayText(way)).join(':')}`);
}

/** Names that count, and where TLSA records are looked for. */
function identityOf(way: Way | undefined): readonly [readonly string[], string | undefined] {
  assert.ok(way !== undefined);
  const { references, tlsaBase } = way;
  return [references.map(identifierText), tlsaBase === undefined ? undefined : identifierText(tlsaBase)];
}

describe('a host', () => {
  const place: Place = {
    kind: 'host',
    reference: dnsOrIp('mail.example.test'),
    endpoints: [
      { tls: 'implicit', port: 465 },
      { tls: 'starttls', port: 587 },
    ],
  };

  test('has its ports in the order given, asks DNS nothing, and proves its own name', async () => {
    const names = new ScriptedNames();
    const target: Target = { place, trust, authentication: { by: 'pkix' } };
    const found = await waysTo(target, names, AbortSignal.timeout(5_000));
    assert.deepEqual(
      found.map(({ endpoint }) => endpoint),
      place.endpoints,
    );
    for (const way of found) assert.deepEqual(identityOf(way), [['mail.example.test'], 'mail.example.test']);
    assert.deepEqual(names.asked, []);
  });

  test('proves the server name and nothing else where there is one, for DANE too', async () => {
    const [way] = await ways(place, {}, 'other.example.test');
    assert.deepEqual(identityOf(way), [['other.example.test'], 'other.example.test']);
    assert.equal(way === undefined ? '' : identifierText(way.host), 'mail.example.test');
  });

  test('that is an address proves the address', async () => {
    const address: Place = { ...place, reference: dnsOrIp('192.0.2.25') };
    const [way] = await ways(address);
    assert.deepEqual(identityOf(way), [['192.0.2.25'], '192.0.2.25']);
    assert.deepEqual(way?.references[0].kind, 'ip');
  });
});

describe('the order of SRV records', () => {
  test('has TLS from the first octet before STARTTLS, whatever the priorities', async () => {
    const found = await order({
      _submissions: { records: [srv(50, 465, 'a.test')] },
      _submission: { records: [srv(0, 587, 'b.test')] },
    });
    assert.deepEqual(found, ['implicit a.test:465', 'starttls b.test:587']);
  });

  test('is by priority within a service, in whatever order they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat({ max: 65_535 }), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        async (priorities, weight) => {
          const records = priorities.map((priority) =>
            srv(priority, priority + 1, 'a.test', weight % 65_536),
          );
          const wanted = priorities.toSorted((a, b) => a - b).map((one) => `implicit a.test:${one + 1}`);
          assert.deepEqual(await order({ _submissions: { records } }), wanted);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('is by weight and chance within a priority, and weight 0 is hardly ever first', async () => {
    const records = [srv(0, 1, 'none.test', 0), srv(0, 2, 'some.test', 10), srv(0, 3, 'most.test', 30)];
    const first: Record<string, number> = { 'none.test:1': 0, 'some.test:2': 0, 'most.test:3': 0 };
    for (let count = 0; count < 2_000; count += 1) {
      const [way = ''] = await order({ _submissions: { records } });
      const host = way.slice('implicit '.length);
      first[host] = (first[host] ?? 0) + 1;
    }
    // Expected 1,500, 500 and nearly none: the bounds are more than ten standard deviations away.
    assert.ok((first['most.test:3'] ?? 0) > 1_200, JSON.stringify(first));
    assert.ok((first['some.test:2'] ?? 0) > 250, JSON.stringify(first));
    assert.ok((first['none.test:1'] ?? 0) < 60, JSON.stringify(first));
  });

  test('ends after eight ways', async () => {
    const records = Array.from({ length: 40 }, (_, at) => srv(at, at + 1, 'a.test'));
    assert.equal((await order({ _submissions: { records } })).length, 8);
  });

  test('leaves out a target of `.`, a port of 0 and what is no name of a host', async () => {
    const records = [srv(0, 0, '.'), srv(1, 465, '.'), srv(2, 0, 'a.test'), srv(3, 465, '-a.test')];
    const found = await order({
      _submissions: { records },
      _submission: { records: [srv(0, 587, 'b.test')] },
    });
    assert.deepEqual(found, ['starttls b.test:587']);
  });
});

describe('the names that SRV records add', () => {
  for (const service of ['_submissions', '_submission'] as const) {
    test(`are the target and the domain where DNSSEC vouches for them (${service})`, async () => {
      const [way] = await ways(DOMAIN, { srv: { [service]: { records: [srv(0, 465, 'mail.other.test')] } } });
      assert.deepEqual(identityOf(way), [['mail.other.test', 'example.test'], 'mail.other.test']);
    });

    test(`are none where nothing vouches for them, and there is no DANE (${service})`, async () => {
      const insecure = { records: [srv(0, 465, 'mail.other.test')], isSecure: false };
      const [way] = await ways(DOMAIN, { srv: { [service]: insecure } });
      assert.deepEqual(identityOf(way), [['example.test'], undefined]);
      assert.equal(way === undefined ? '' : identifierText(way.host), 'mail.other.test');
    });
  }

  test('are judged for each service by its own answer', async () => {
    const found = await ways(DOMAIN, {
      srv: {
        _submissions: { records: [srv(0, 465, 'a.test')], isSecure: false },
        _submission: { records: [srv(0, 587, 'b.test')], isSecure: true },
      },
    });
    assert.deepEqual(found.map(identityOf), [
      [['example.test'], undefined],
      [['b.test', 'example.test'], 'b.test'],
    ]);
  });

  for (const isSecure of [true, false]) {
    test(`give way to the server name, secure or not (${isSecure})`, async () => {
      const records = [srv(0, 465, 'mail.other.test')];
      const [way] = await ways(DOMAIN, { srv: { _submissions: { records, isSecure } } }, 'name.test');
      assert.deepEqual(identityOf(way), [['name.test'], 'name.test']);
    });
  }

  test('are none where the target is an address, which only an operator can vouch for', async () => {
    for (const isSecure of [true, false]) {
      const records = [srv(0, 465, '192.0.2.25'), srv(1, 465, 'mail.example.test')];
      const found = await ways(DOMAIN, { srv: { _submissions: { records, isSecure } } });
      assert.deepEqual(found.map(wayText), [{ host: 'mail.example.test', port: 465 }]);
    }
  });
});

describe('no way at all', () => {
  for (const [what, sayings, reason] of [
    ['without records', {}, 'no-srv-record'],
    [
      'where the service is decidedly not offered',
      { _submissions: { records: [srv(0, 0, '.')] } },
      'service-not-offered',
    ],
  ] as const) {
    test(`is a failure of DNS ${what}`, async () => {
      await assert.rejects(ways(DOMAIN, { srv: sayings }), {
        name: 'RelayError',
        failure: { kind: 'dns', phase: 'resolve', reason },
      });
    });
  }

  for (const service of ['_submissions', '_submission'] as const) {
    test(`is left where ${service} has no answer, although the other has one`, async () => {
      const records = [srv(0, 465, 'a.test')];
      const sayings = { _submissions: { records }, _submission: { records }, [service]: 'bogus' as const };
      await assert.rejects(ways(DOMAIN, { srv: sayings }), { name: 'DnsError', reason: 'bogus' });
    });
  }
});
