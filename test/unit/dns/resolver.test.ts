/**
 * What the resolver makes of responses over UDP and TCP.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';

import { a, cname, response, tlsa, type Respond } from '../../support/dns-server.ts';
import { always, LIMIT, never, NOERROR, NXDOMAIN, stage, TLSA_NAME } from './resolver-stage.ts';

test('gives A and AAAA together', LIMIT, async () => {
  await using on = await stage((query) => [
    response(query, {
      isSecure: true,
      answers:
        query.type === 'A'
          ? [a('host.test', '127.0.0.1'), a('host.test', '127.0.0.2')]
          : [{ type: 'AAAA', class: 'IN', name: 'host.test', ttl: 60, data: '::1' }],
    }),
  ]);
  assert.deepEqual(await on.resolver.addresses('Host.Test.', never()), {
    isSecure: true,
    records: ['127.0.0.1', '127.0.0.2', '::1'],
    canonicalName: 'host.test',
  });
});

for (const insecure of ['A', 'AAAA']) {
  test(`asks for TLSA records when only ${insecure} is not secure`, LIMIT, async () => {
    await using on = await stage((query) => [
      response(query, {
        isSecure: query.type !== insecure,
        answers: query.type === 'A' ? [a('host.test', '127.0.0.1')] : [],
      }),
    ]);
    const { isSecure, records } = await on.resolver.addresses('host.test', never());
    assert.deepEqual({ isSecure, records }, { isSecure: true, records: ['127.0.0.1'] });
  });
}

test('does not call addresses secure when neither is', LIMIT, async () => {
  await using on = await stage(always({ answers: [a('host.test', '127.0.0.1')] }));
  assert.equal((await on.resolver.addresses('host.test', never())).isSecure, false);
});

test('takes addresses of one end of two chains only', LIMIT, async () => {
  await using on = await stage((query) => [
    response(query, {
      answers:
        query.type === 'A'
          ? [cname('host.test', 'one.test'), a('one.test', '127.0.0.1')]
          : [cname('host.test', 'two.test'), { type: 'AAAA', name: 'two.test', ttl: 60, data: '::1' }],
    }),
  ]);
  const { records, canonicalName } = await on.resolver.addresses('host.test', never());
  assert.deepEqual({ records, canonicalName }, { records: ['127.0.0.1'], canonicalName: 'one.test' });
});

test('gives TLSA records of the port and name, with their octets', LIMIT, async () => {
  await using on = await stage(always({ isSecure: true, answers: [tlsa(TLSA_NAME)] }));
  assert.deepEqual(await on.resolver.tlsa(465, 'smtp.test', never()), {
    isSecure: true,
    records: [{ usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 7) }],
    canonicalName: TLSA_NAME,
  });
  assert.deepEqual(
    on.server.queries.map(({ name, type }) => ({ name, type })),
    [{ name: TLSA_NAME, type: 'TLSA' }],
  );
});

test('gives SRV records with targets in lower case, and a target of . as it is', LIMIT, async () => {
  const name = '_submissions._tcp.example.test';
  const record = { type: 'SRV', class: 'IN', name, ttl: 60 } as const;
  await using on = await stage(
    always({
      answers: [
        { ...record, data: { priority: 1, weight: 2, port: 465, target: 'SMTP.Example.Test' } },
        { ...record, data: { priority: 0, weight: 0, port: 0, target: '.' } },
      ],
    }),
  );
  const { records } = await on.resolver.srv('_submissions', 'example.test', never());
  assert.deepEqual(records, [
    { priority: 1, weight: 2, port: 465, target: 'smtp.example.test' },
    { priority: 0, weight: 0, port: 0, target: '.' },
  ]);
});

for (const code of [NOERROR, NXDOMAIN]) {
  for (const isSecure of [true, false]) {
    const what = `${isSecure ? 'a secure' : 'an insecure'} denial by ${code === NOERROR ? 'NOERROR' : 'NXDOMAIN'}`;
    test(`takes ${what} for an answer without records`, LIMIT, async () => {
      await using on = await stage(always({ code, isSecure }));
      const answer = await on.resolver.tlsa(465, 'smtp.test', never());
      assert.deepEqual(answer, { isSecure, records: [], canonicalName: TLSA_NAME });
    });
  }
}

test('does not look at a datagram with another id, another question or of another kind', LIMIT, async () => {
  const forged = { isSecure: true, answers: [a('host.test', '192.0.2.66')] };
  await using on = await stage((query) => [
    response(query, { ...forged, id: ((query.packet.id ?? 0) + 1) % 0x1_0000 }),
    response(query, { ...forged, name: 'other.test' }),
    Buffer.from('no DNS message'),
    Buffer.alloc(3),
    response(query, { answers: query.type === 'A' ? [a('host.test', '127.0.0.1')] : [] }),
  ]);
  const { isSecure, records } = await on.resolver.addresses('host.test', never());
  assert.deepEqual({ isSecure, records }, { isSecure: false, records: ['127.0.0.1'] });
});

test('does not hear another sender than the resolver', LIMIT, async () => {
  using cleanup = new DisposableStack();
  const stranger = cleanup.adopt(createSocket('udp4'), (socket) => void socket.close());
  const forged = Promise.withResolvers<void>();
  const mayAnswer = Promise.withResolvers<void>();
  await using on = await stage((query) => {
    const forgery = response(query, { isSecure: true, answers: [tlsa(TLSA_NAME)] });
    stranger.send(forgery, query.port, '127.0.0.1', () => forged.resolve());
    return mayAnswer.promise.then(() => [response(query)]);
  });
  const asked = on.resolver.tlsa(465, 'smtp.test', never());
  await forged.promise;
  mayAnswer.resolve();
  const { isSecure, records } = await asked;
  assert.deepEqual({ isSecure, records }, { isSecure: false, records: [] });
});

test('asks each time from another port with another id', LIMIT, async () => {
  await using on = await stage(always({}));
  for (let count = 0; count < 12; count += 1) await on.resolver.tlsa(465, 'smtp.test', never());
  const { queries } = on.server;
  assert.ok(new Set(queries.map(({ packet }) => packet.id)).size > 8);
  assert.ok(new Set(queries.map(({ port }) => port)).size > 8);
});

test('asks again by TCP when the answer was truncated', LIMIT, async () => {
  await using on = await stage((query) => [
    query.transport === 'udp'
      ? response(query, { isTruncated: true, answers: [tlsa(TLSA_NAME)] }).subarray(0, 60)
      : response(query, { isSecure: true, answers: Array.from({ length: 40 }, () => tlsa(TLSA_NAME)) }),
  ]);
  const { isSecure, records } = await on.resolver.tlsa(465, 'smtp.test', never());
  assert.deepEqual([isSecure, records.length], [true, 40]);
  assert.deepEqual(
    on.server.queries.map(({ transport }) => transport),
    ['udp', 'tcp'],
  );
});

const BAD_STREAMS: readonly (readonly [string, string, Respond])[] = [
  ['unreachable', 'the connection ends without an answer', () => 'hang-up'],
  ['malformed', 'the answer is truncated there too', (query) => [response(query, { isTruncated: true })]],
  ['malformed', 'the answer is to another question', (query) => [response(query, { name: 'other.test' })]],
  ['malformed', 'what comes is shorter than a header', () => [Buffer.alloc(11)]],
];

for (const [reason, when, byTcp] of BAD_STREAMS) {
  test(`fails with ${reason} when by TCP ${when}`, LIMIT, async () => {
    await using on = await stage((query) =>
      query.transport === 'udp' ? [response(query, { isTruncated: true })] : byTcp(query),
    );
    await assert.rejects(on.resolver.tlsa(465, 'smtp.test', never()), { name: 'DnsError', reason });
  });
}
