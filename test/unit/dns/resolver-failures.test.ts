/**
 * What is a failure, and which.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ValidatingResolver } from '../../../src/dns/resolver.ts';
import { a, DnsServer, response, tlsa } from '../../support/dns-server.ts';
import { always, LIMIT, never, REFUSED, SERVFAIL, stage, TLSA_NAME, trust } from './resolver-stage.ts';

test('calls bogus what is given only when nothing is checked', LIMIT, async () => {
  await using on = await stage((query) => [
    response(query, query.isUnchecked ? { answers: [tlsa(TLSA_NAME)] } : { code: SERVFAIL }),
  ]);
  await assert.rejects(on.resolver.tlsa(465, 'smtp.test', never()), { name: 'DnsError', reason: 'bogus' });
  assert.deepEqual(
    on.server.queries.map(({ isUnchecked }) => isUnchecked),
    [false, true],
  );
});

test('calls servfail what is not given without checking either', LIMIT, async () => {
  await using on = await stage(always({ code: SERVFAIL }));
  await assert.rejects(on.resolver.tlsa(465, 'smtp.test', never()), { name: 'DnsError', reason: 'servfail' });
});

test('takes the addresses of A when AAAA fails', LIMIT, async () => {
  await using on = await stage((query) => [
    response(query, query.type === 'A' ? { answers: [a('host.test', '127.0.0.1')] } : { code: SERVFAIL }),
  ]);
  assert.deepEqual((await on.resolver.addresses('host.test', never())).records, ['127.0.0.1']);
});

test('fails when A fails and there is no AAAA', LIMIT, async () => {
  await using on = await stage((query) => [response(query, query.type === 'A' ? { code: SERVFAIL } : {})]);
  await assert.rejects(on.resolver.addresses('host.test', never()), { name: 'DnsError', reason: 'servfail' });
});

test('fails when one of A and AAAA is bogus, whatever the other is', LIMIT, async () => {
  await using on = await stage((query) => {
    if (query.type === 'A') return [response(query, { answers: [a('host.test', '127.0.0.1')] })];
    return [response(query, query.isUnchecked ? {} : { code: SERVFAIL })];
  });
  await assert.rejects(on.resolver.addresses('host.test', never()), { name: 'DnsError', reason: 'bogus' });
});

for (const code of [1, 4, REFUSED, 6, 9]) {
  test(`fails with refused on response code ${code}`, LIMIT, async () => {
    await using on = await stage(always({ code }));
    await assert.rejects(on.resolver.srv('_submission', 'a.test', never()), {
      name: 'DnsError',
      reason: 'refused',
    });
  });
}

test('fails with malformed on a response that cannot be decoded', LIMIT, async () => {
  await using on = await stage((query) => [response(query, { answers: [tlsa(TLSA_NAME)] }).subarray(0, -1)]);
  await assert.rejects(on.resolver.tlsa(465, 'smtp.test', never()), {
    name: 'DnsError',
    reason: 'malformed',
  });
});

for (const name of ['', 'a..b', `${'x'.repeat(64)}.test`, 'x.'.repeat(126), 'a b.test', 'ü.test']) {
  test(`does not ask for ${JSON.stringify(name.slice(0, 12))}`, LIMIT, async () => {
    await using on = await stage(always({}));
    await assert.rejects(on.resolver.tlsa(465, name, never()), { name: 'DnsError', reason: 'malformed' });
    assert.equal(on.server.queries.length, 0);
  });
}

test('repeats a question that draws no answer, and gives up in the end', LIMIT, async (context) => {
  await using on = await stage(() => []);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = assert.rejects(on.resolver.tlsa(465, 'smtp.test', never()), {
    name: 'DnsError',
    reason: 'timeout',
  });
  await on.server.received(1);
  context.mock.timers.tick(1_500);
  await on.server.received(2);
  context.mock.timers.tick(3_000);
  await on.server.received(3);
  context.mock.timers.tick(5_500);
  await asked;
  assert.equal(new Set(on.server.queries.map(({ port }) => port)).size, 3);
});

test('takes the answer to a repeated question', LIMIT, async (context) => {
  await using on = await stage((query) =>
    on.server.queries.length < 2 ? [] : [response(query, { isSecure: true })],
  );
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = on.resolver.tlsa(465, 'smtp.test', never());
  await on.server.received(1);
  context.mock.timers.tick(1_500);
  assert.equal((await asked).isSecure, true);
});

test('gives up when its signal says so', LIMIT, async () => {
  await using on = await stage(() => []);
  const end = new AbortController();
  const asked = on.resolver.addresses('host.test', end.signal);
  await on.server.received(2);
  end.abort();
  await assert.rejects(asked, { name: 'DnsError', reason: 'timeout' });
});

test('gives up a question that waits for TCP when its signal says so', LIMIT, async () => {
  await using on = await stage((query) =>
    query.transport === 'udp' ? [response(query, { isTruncated: true })] : [],
  );
  const end = new AbortController();
  const asked = on.resolver.tlsa(465, 'smtp.test', end.signal);
  await on.server.received(2);
  end.abort();
  await assert.rejects(asked, { name: 'DnsError', reason: 'timeout' });
});

test('fails with unreachable where nobody listens', LIMIT, async () => {
  const server = await DnsServer.start(() => []);
  const { address } = server;
  await server[Symbol.asyncDispose]();
  const resolver = new ValidatingResolver(address, trust);
  await assert.rejects(resolver.tlsa(465, 'smtp.test', never()), { name: 'DnsError', reason: 'unreachable' });
});

test('ends what is under way, and answers nothing more, when it is closed', LIMIT, async () => {
  await using on = await stage(() => []);
  const asked = assert.rejects(on.resolver.tlsa(465, 'smtp.test', never()), {
    name: 'DnsError',
    reason: 'timeout',
  });
  await on.server.received(1);
  on.resolver.close();
  await asked;
  await assert.rejects(on.resolver.tlsa(25, 'smtp.test', never()), {
    name: 'DnsError',
    reason: 'unreachable',
  });
});
