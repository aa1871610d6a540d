import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { test } from 'node:test';

import { SystemResolver } from '../../../src/dns/system-resolver.ts';
import { DnsServer, response, type Respond } from '../../support/dns-server.ts';
import { LIMIT, never } from './resolver-stage.ts';

/** As the system's, but with the server of the test. */
function systemResolver(server: DnsServer): SystemResolver {
  return new SystemResolver(() => {
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${server.port}`]);
    return resolver;
  });
}

test('gives the addresses of a name of the machine, never secure', LIMIT, async () => {
  const { isSecure, records, canonicalName } = await new SystemResolver().addresses('LocalHost', never());
  assert.equal(isSecure, false);
  assert.ok(records.includes('127.0.0.1') || records.includes('::1'), String(records));
  assert.equal(canonicalName, 'localhost');
});

test('gives no TLSA records and does not call that secure', LIMIT, async () => {
  const answer = await new SystemResolver().tlsa(465, 'smtp.test');
  assert.deepEqual(answer, { isSecure: false, records: [], canonicalName: '_465._tcp.smtp.test' });
});

test('gives SRV records, never secure, whatever the AD bit', LIMIT, async () => {
  await using server = await DnsServer.start((query) => [
    response(query, {
      isSecure: true,
      answers: [
        {
          type: 'SRV',
          class: 'IN',
          name: query.name,
          ttl: 60,
          data: { priority: 1, weight: 2, port: 465, target: 'SMTP.example.test' },
        },
        { type: 'SRV', class: 'IN', name: query.name, ttl: 60, data: { port: 0, target: '.' } },
      ],
    }),
  ]);
  const { isSecure, records } = await systemResolver(server).srv('_submissions', 'example.test', never());
  assert.equal(isSecure, false);
  assert.deepEqual(
    records.toSorted((one, other) => other.port - one.port),
    [
      { priority: 1, weight: 2, port: 465, target: 'smtp.example.test' },
      { priority: 0, weight: 0, port: 0, target: '.' },
    ],
  );
  assert.equal(server.queries[0]?.name, '_submissions._tcp.example.test');
});

const CODES: readonly (readonly [number, string | undefined])[] = [
  [0, undefined],
  [3, undefined],
  [2, 'servfail'],
  [5, 'refused'],
];

for (const [code, reason] of CODES) {
  const respond: Respond = (query) => [response(query, { code })];
  const title = reason === undefined ? 'gives no records' : `fails with ${reason}`;
  test(`${title} on response code ${code}`, LIMIT, async () => {
    await using server = await DnsServer.start(respond);
    const asked = systemResolver(server).srv('_submission', 'example.test', never());
    if (reason === undefined) assert.deepEqual((await asked).records, []);
    else await assert.rejects(asked, { name: 'DnsError', reason });
  });
}

test('gives up when its signal says so', LIMIT, async () => {
  await using server = await DnsServer.start(() => []);
  const end = new AbortController();
  const asked = systemResolver(server).srv('_submission', 'example.test', end.signal);
  await server.received(1);
  end.abort();
  await assert.rejects(asked, { name: 'DnsError', reason: 'timeout' });
  await assert.rejects(new SystemResolver().addresses('localhost', AbortSignal.abort()), {
    name: 'DnsError',
    reason: 'timeout',
  });
});

test('does not ask for what is no name', LIMIT, async () => {
  const asked = new SystemResolver().addresses('a b', never());
  await assert.rejects(asked, { name: 'DnsError', reason: 'malformed' });
});
