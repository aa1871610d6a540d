/**
 * What the resolver keeps, and for how long.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { a, cname, response, soa, tlsa } from '../../support/dns-server.ts';
import { always, LIMIT, never, NXDOMAIN, SERVFAIL, stage, TLSA_NAME } from './resolver-stage.ts';

test('keeps an answer for the smallest TTL in it', LIMIT, async () => {
  let now = 0;
  const alias = '_465._tcp.alias.test';
  await using on = await stage(
    always({ answers: [cname(alias, TLSA_NAME, 30), tlsa(TLSA_NAME, 300)] }),
    () => now,
  );
  await on.resolver.tlsa(465, 'alias.test', never());
  now = 29_999;
  await on.resolver.tlsa(465, 'alias.test', never());
  assert.equal(on.server.queries.length, 1);
  now = 30_000;
  await on.resolver.tlsa(465, 'alias.test', never());
  assert.equal(on.server.queries.length, 2);
});

for (const [ttl, minimum] of [
  [20, 300],
  [300, 20],
] as const) {
  test(
    `keeps a denial for 20 s where the SOA has a TTL of ${ttl} and a minimum of ${minimum}`,
    LIMIT,
    async () => {
      let now = 0;
      await using on = await stage(always({ code: NXDOMAIN, authorities: [soa(ttl, minimum)] }), () => now);
      await on.resolver.tlsa(465, 'smtp.test', never());
      now = 19_999;
      await on.resolver.tlsa(465, 'smtp.test', never());
      assert.equal(on.server.queries.length, 1);
      now = 20_000;
      await on.resolver.tlsa(465, 'smtp.test', never());
      assert.equal(on.server.queries.length, 2);
    },
  );
}

test('does not keep a denial without an SOA', LIMIT, async () => {
  await using on = await stage(always({ code: NXDOMAIN }));
  await on.resolver.tlsa(465, 'smtp.test', never());
  await on.resolver.tlsa(465, 'smtp.test', never());
  assert.equal(on.server.queries.length, 2);
});

test('keeps answers apart by type and name', LIMIT, async () => {
  await using on = await stage((query) => [
    response(query, {
      answers: query.type === 'A' ? [a(query.name, '127.0.0.1')] : [],
      authorities: [soa(60, 60)],
    }),
  ]);
  await on.resolver.addresses('a.test', never());
  await on.resolver.addresses('A.test', never());
  await on.resolver.addresses('b.test', never());
  await on.resolver.tlsa(465, 'a.test', never());
  await on.resolver.tlsa(587, 'a.test', never());
  assert.deepEqual(on.server.queries.map(({ type, name }) => `${type} ${name}`).toSorted(), [
    'A a.test',
    'A b.test',
    'AAAA a.test',
    'AAAA b.test',
    'TLSA _465._tcp.a.test',
    'TLSA _587._tcp.a.test',
  ]);
});

test('keeps no answer that was got without checking', LIMIT, async () => {
  await using on = await stage((query) => [
    response(query, query.isUnchecked ? { answers: [tlsa(TLSA_NAME)] } : { code: SERVFAIL }),
  ]);
  for (let count = 0; count < 2; count += 1)
    await assert.rejects(on.resolver.tlsa(465, 'smtp.test', never()), { name: 'DnsError', reason: 'bogus' });
  assert.equal(on.server.queries.length, 4);
});
