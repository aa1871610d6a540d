/**
 * What the resolver makes of DNSSEC as nsd serves it and unbound validates it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import type { Answer } from '../../src/dns/answer.ts';
import { parseResolverAddress } from '../../src/dns/resolver-address.ts';
import { ValidatingResolver } from '../../src/dns/resolver.ts';
import { Trust } from '../../src/tls/trust.ts';
import type { TlsaRecord } from '../../src/tls/tlsa.ts';
import { startDnssec, tlsaLine, type Dnssec } from '../support/peers/dnssec.ts';
import { TestAuthority } from '../support/pki.ts';

/** An answer that never comes is a failure, not a wait without end. */
const LIMIT = { timeout: 60_000 };

const RECORD: TlsaRecord = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 0xa5) };
const LINES = [
  tlsaLine(465, 'smtp', RECORD),
  'alias IN CNAME smtp',
  '_465._tcp.alias IN CNAME _465._tcp.smtp',
  'abroad IN CNAME smtp.insecure.test.',
  'astray IN CNAME smtp.bogus.test.',
  'nowhere IN CNAME missing',
  '*.wild IN A 127.0.0.1',
  '_submissions._tcp IN SRV 0 1 465 smtp',
  '_submission._tcp IN SRV 0 0 0 .',
  // More than a datagram holds.
  ...Array.from({ length: 60 }, (_, at) => tlsaLine(2525, 'smtp', { ...RECORD, data: Buffer.alloc(32, at) })),
];
const SPOILT = ['spoilt IN A 127.0.0.1', tlsaLine(465, 'spoilt', RECORD)];

const authority = new TestAuthority();
const trust = new Trust({ addedAnchors: [authority.caPem] });
let dnssec: Dnssec;
before(async () => {
  dnssec = await startDnssec({
    identity: authority.issue({ san: 'DNS:dns.example.test' }),
    records: {
      secure: [...LINES, ...SPOILT],
      insecure: LINES,
      island: LINES,
      bogus: LINES,
      expired: LINES,
    },
    spoiled: [{ owner: '_465._tcp.spoilt', type: 'TLSA' }],
  });
});
after(async () => {
  await dnssec[Symbol.asyncDispose]();
  authority.remove();
});

function patience(): AbortSignal {
  return AbortSignal.timeout(20_000);
}

function tlsaAnswer(isSecure: boolean, canonicalName: string): Answer<TlsaRecord> {
  return { isSecure, records: [RECORD], canonicalName };
}

const WAYS: readonly (readonly [string, () => string])[] = [
  ['over UDP and TCP', () => dnssec.resolver],
  ['over TLS', () => `tls://127.0.0.1:${dnssec.overTlsPort}?server-name=dns.example.test`],
];

for (const [way, address] of WAYS) {
  describe(way, () => {
    let resolver: ValidatingResolver;
    before(() => (resolver = new ValidatingResolver(parseResolverAddress(address()), trust)));
    after(() => resolver.close());

    test('calls validated records secure', LIMIT, async () => {
      assert.deepEqual(
        await resolver.tlsa(465, 'smtp.secure.test', patience()),
        tlsaAnswer(true, '_465._tcp.smtp.secure.test'),
      );
      assert.deepEqual(await resolver.addresses('smtp.secure.test', patience()), {
        isSecure: true,
        records: ['127.0.0.1'],
        canonicalName: 'smtp.secure.test',
      });
    });

    test('gets what a datagram does not hold', LIMIT, async () => {
      const { isSecure, records } = await resolver.tlsa(2525, 'smtp.secure.test', patience());
      assert.deepEqual([isSecure, records.length], [true, 60]);
    });

    for (const name of ['smtp', 'missing']) {
      test(`calls the validated denial of a record beneath ${name} secure`, LIMIT, async () => {
        assert.deepEqual(await resolver.tlsa(587, `${name}.secure.test`, patience()), {
          isSecure: true,
          records: [],
          canonicalName: `_587._tcp.${name}.secure.test`,
        });
      });
    }

    for (const zone of ['insecure', 'island']) {
      test(`does not call the records of ${zone}.test secure, nor their denial`, LIMIT, async () => {
        assert.deepEqual(
          await resolver.tlsa(465, `smtp.${zone}.test`, patience()),
          tlsaAnswer(false, `_465._tcp.smtp.${zone}.test`),
        );
        const { isSecure, records } = await resolver.tlsa(587, `smtp.${zone}.test`, patience());
        assert.deepEqual({ isSecure, records }, { isSecure: false, records: [] });
      });
    }

    for (const zone of ['bogus', 'expired']) {
      test(
        `fails with bogus in ${zone}.test, where there are records and where there are none`,
        LIMIT,
        async () => {
          const bogus = { name: 'DnsError', reason: 'bogus' };
          await assert.rejects(resolver.tlsa(465, `smtp.${zone}.test`, patience()), bogus);
          await assert.rejects(resolver.tlsa(587, `smtp.${zone}.test`, patience()), bogus);
          await assert.rejects(resolver.addresses(`smtp.${zone}.test`, patience()), bogus);
          await assert.rejects(resolver.srv('_submissions', `${zone}.test`, patience()), bogus);
        },
      );
    }

    test('fails with bogus for the one record whose signature is spoiled', LIMIT, async () => {
      const asked = resolver.tlsa(465, 'spoilt.secure.test', patience());
      await assert.rejects(asked, { name: 'DnsError', reason: 'bogus' });
      assert.equal((await resolver.addresses('spoilt.secure.test', patience())).isSecure, true);
    });

    test('follows a validated CNAME', LIMIT, async () => {
      assert.deepEqual(
        await resolver.tlsa(465, 'alias.secure.test', patience()),
        tlsaAnswer(true, '_465._tcp.smtp.secure.test'),
      );
      assert.deepEqual(await resolver.addresses('alias.secure.test', patience()), {
        isSecure: true,
        records: ['127.0.0.1'],
        canonicalName: 'smtp.secure.test',
      });
    });

    test('takes a validated CNAME to nothing for nothing', LIMIT, async () => {
      assert.deepEqual(await resolver.addresses('nowhere.secure.test', patience()), {
        isSecure: true,
        records: [],
        canonicalName: 'missing.secure.test',
      });
    });

    test('does not call a chain secure that leaves the signed zones', LIMIT, async () => {
      assert.deepEqual(await resolver.addresses('abroad.secure.test', patience()), {
        isSecure: false,
        records: ['127.0.0.1'],
        canonicalName: 'smtp.insecure.test',
      });
    });

    test('fails with bogus for a chain that ends in a bogus zone', LIMIT, async () => {
      const asked = resolver.addresses('astray.secure.test', patience());
      await assert.rejects(asked, { name: 'DnsError', reason: 'bogus' });
    });

    test('calls what a wildcard gives secure', LIMIT, async () => {
      assert.deepEqual(await resolver.addresses('any.wild.secure.test', patience()), {
        isSecure: true,
        records: ['127.0.0.1'],
        canonicalName: 'any.wild.secure.test',
      });
    });

    test('gives SRV records, and the one that says there is no such service', LIMIT, async () => {
      assert.deepEqual(await resolver.srv('_submissions', 'secure.test', patience()), {
        isSecure: true,
        records: [{ priority: 0, weight: 1, port: 465, target: 'smtp.secure.test' }],
        canonicalName: '_submissions._tcp.secure.test',
      });
      const { records } = await resolver.srv('_submission', 'secure.test', patience());
      assert.deepEqual(records, [{ priority: 0, weight: 0, port: 0, target: '.' }]);
    });

    test('fails with servfail where the zone cannot be had', LIMIT, async () => {
      const asked = resolver.tlsa(465, 'smtp.refused.test', patience());
      await assert.rejects(asked, { name: 'DnsError', reason: 'servfail' });
    });

    test('fails with timeout where the server of the zone is silent', LIMIT, async () => {
      const asked = resolver.tlsa(465, 'smtp.silent.test', AbortSignal.timeout(500));
      await assert.rejects(asked, { name: 'DnsError', reason: 'timeout' });
    });

    test('finds the resolver proven by a bogus name, and by no other', LIMIT, async () => {
      assert.equal((await resolver.proveValidation('smtp.bogus.test', patience())).state, 'proven');
      assert.equal((await resolver.proveValidation('smtp.expired.test', patience())).state, 'proven');
      assert.equal((await resolver.proveValidation('smtp.secure.test', patience())).state, 'not-validating');
      assert.equal((await resolver.proveValidation('missing.secure.test', patience())).state, 'unproven');
      assert.equal((await resolver.proveValidation('smtp.refused.test', patience())).state, 'unproven');
    });
  });
}

test('never believes the name server of the zone itself, which validates nothing', LIMIT, async () => {
  const resolver = new ValidatingResolver(parseResolverAddress(dnssec.authoritative), trust);
  assert.deepEqual(
    await resolver.tlsa(465, 'smtp.secure.test', patience()),
    tlsaAnswer(false, '_465._tcp.smtp.secure.test'),
  );
  assert.equal((await resolver.addresses('smtp.secure.test', patience())).isSecure, false);
  assert.equal((await resolver.tlsa(587, 'smtp.secure.test', patience())).isSecure, false);
  assert.equal((await resolver.proveValidation('smtp.bogus.test', patience())).state, 'not-validating');
  resolver.close();
});

test('asks nothing over TLS of a resolver that proves another name', LIMIT, async () => {
  for (const name of ['other.example.test', '127.0.0.1']) {
    const address = `tls://127.0.0.1:${dnssec.overTlsPort}?server-name=${name}`;
    const resolver = new ValidatingResolver(parseResolverAddress(address), trust);
    const asked = resolver.tlsa(465, 'smtp.secure.test', patience());
    await assert.rejects(asked, { name: 'DnsError', reason: 'not-verified' });
    resolver.close();
  }
});

test('asks nothing over TLS of a resolver whose authority is not trusted', LIMIT, async () => {
  const address = `tls://127.0.0.1:${dnssec.overTlsPort}?server-name=dns.example.test`;
  const resolver = new ValidatingResolver(parseResolverAddress(address), new Trust());
  const asked = resolver.tlsa(465, 'smtp.secure.test', patience());
  await assert.rejects(asked, { name: 'DnsError', reason: 'not-verified' });
  resolver.close();
});

test('serves other records, and nothing of before, after they were published', LIMIT, async () => {
  await using other = await startDnssec({ records: { secure: [tlsaLine(465, 'smtp', RECORD)] } });
  await other.publish({ records: { secure: [tlsaLine(587, 'smtp', RECORD)] } });
  const resolver = new ValidatingResolver(parseResolverAddress(other.resolver), trust);
  const { isSecure, records } = await resolver.tlsa(465, 'smtp.secure.test', patience());
  assert.deepEqual({ isSecure, records }, { isSecure: true, records: [] });
  assert.deepEqual((await resolver.tlsa(587, 'smtp.secure.test', patience())).records, [RECORD]);
  resolver.close();
});
