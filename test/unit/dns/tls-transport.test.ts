/**
 * DNS over TLS: who is asked, and over how many connections.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, test } from 'node:test';

import type { ResolverAddress } from '../../../src/dns/resolver-address.ts';
import { ValidatingResolver } from '../../../src/dns/resolver.ts';
import { Trust } from '../../../src/tls/trust.ts';
import { a, DnsServer, response, tlsa, type Respond } from '../../support/dns-server.ts';
import { TestAuthority, type Identity } from '../../support/pki.ts';
import { LIMIT, never, TLSA_NAME } from './resolver-stage.ts';

const authority = new TestAuthority();
after(() => authority.remove());
const identity = authority.issue({ san: 'DNS:dns.example.test,IP:127.0.0.1' });
const trust = new Trust({ addedAnchors: [authority.caPem] });

const NAME = { kind: 'dns', name: 'dns.example.test' } as const;

const secureTlsa: Respond = (query) => [response(query, { isSecure: true, answers: [tlsa(query.name, 0)] })];

function addressOf(
  server: { readonly port: number },
  reference: Extract<ResolverAddress, { kind: 'tls' }>['reference'] = NAME,
): ResolverAddress {
  return { kind: 'tls', host: '127.0.0.1', port: server.port, reference };
}

test('asks a resolver that proves its name', LIMIT, async () => {
  await using server = await DnsServer.start(secureTlsa, identity);
  const resolver = new ValidatingResolver(addressOf(server), trust);
  const { isSecure, records } = await resolver.tlsa(465, 'smtp.test', never());
  assert.deepEqual([isSecure, records.length], [true, 1]);
  assert.deepEqual(
    server.queries.map(({ name, transport }) => ({ name, transport })),
    [{ name: TLSA_NAME, transport: 'tls' }],
  );
  resolver.close();
});

test('asks a resolver that proves its address', LIMIT, async () => {
  await using server = await DnsServer.start(secureTlsa, identity);
  const resolver = new ValidatingResolver(addressOf(server, { kind: 'ip', address: '127.0.0.1' }), trust);
  assert.equal((await resolver.tlsa(465, 'smtp.test', never())).isSecure, true);
  resolver.close();
});

const IMPOSTORS: readonly (readonly [string, () => Identity])[] = [
  [
    'has a certificate for another name',
    () => authority.issue({ san: 'DNS:other.example.test,IP:127.0.0.1' }),
  ],
  ['has its name in the CN only', () => authority.issue({ san: '', commonName: 'dns.example.test' })],
  [
    'has an expired certificate',
    () => authority.issue({ san: 'DNS:dns.example.test', notAfter: '20250601000000Z' }),
  ],
  ['has a self-signed certificate', () => authority.issue({ san: 'DNS:dns.example.test', selfSigned: true })],
  ['has a certificate of an unknown authority', () => ofAnotherAuthority()],
];

for (const [does, issue] of IMPOSTORS) {
  for (const value of [undefined, '0']) {
    const under = value === undefined ? '' : ', under NODE_TLS_REJECT_UNAUTHORIZED=0 too';
    test(`asks nothing of a resolver that ${does}${under}`, LIMIT, async () => {
      using environment = new ChangedEnvironment('NODE_TLS_REJECT_UNAUTHORIZED', value);
      await using server = await DnsServer.start(secureTlsa, issue());
      const resolver = new ValidatingResolver(addressOf(server), trust);
      const asked = resolver.tlsa(465, 'smtp.test', never());
      await assert.rejects(asked, { name: 'DnsError', reason: 'not-verified' });
      const validation = await resolver.proveValidation('bogus.test', never());
      assert.deepEqual(validation, { state: 'unproven', fault: 'not-verified' });
      assert.deepEqual([server.connections, server.queries.length], [2, 0]);
      assert.equal(environment.value, value);
      resolver.close();
    });
  }
}

test('asks nothing in clear of a resolver that speaks no TLS', LIMIT, async () => {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (octets) => {
        received.push(octets);
        socket.end('no TLS here');
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const resolver = new ValidatingResolver(addressOf(address), trust);
  const asked = resolver.tlsa(465, 'secretname.test', never());
  await assert.rejects(asked, { name: 'DnsError', reason: 'not-verified' });
  const octets = Buffer.concat(received);
  assert.equal(octets[0], 0x16); // a handshake record
  assert.equal(octets.includes('secretname'), false);
  resolver.close();
  server.close();
});

test(
  'asks several questions at once over one connection, whatever the order of the responses',
  LIMIT,
  async () => {
    const late = Promise.withResolvers<void>();
    await using server = await DnsServer.start(async (query) => {
      if (query.type === 'A') await late.promise;
      else if (query.type === 'AAAA') late.resolve();
      const answers = query.type === 'A' ? [a(query.name, '127.0.0.1')] : [];
      return [response(query, { isSecure: true, answers })];
    }, identity);
    const resolver = new ValidatingResolver(addressOf(server), trust);
    const [first, second] = await Promise.all([
      resolver.addresses('a.test', never()),
      resolver.addresses('b.test', never()),
    ]);
    assert.deepEqual(first, { isSecure: true, records: ['127.0.0.1'], canonicalName: 'a.test' });
    assert.equal(second.canonicalName, 'b.test');
    await resolver.tlsa(465, 'a.test', never());
    assert.equal(server.queries.length, 5);
    assert.equal(server.connections, 1);
    resolver.close();
  },
);

test('opens the connection again when the resolver has closed it', LIMIT, async () => {
  await using server = await DnsServer.start(secureTlsa, identity);
  const resolver = new ValidatingResolver(addressOf(server), trust);
  await resolver.tlsa(465, 'smtp.test', never());
  await server.hangUp();
  assert.equal((await resolver.tlsa(465, 'smtp.test', never())).isSecure, true);
  assert.equal(server.connections, 2);
  resolver.close();
});

test('asks once more when the connection is lost before the answer', LIMIT, async () => {
  await using server = await DnsServer.start(
    (query) => (server.queries.length === 1 ? 'hang-up' : secureTlsa(query)),
    identity,
  );
  const resolver = new ValidatingResolver(addressOf(server), trust);
  assert.equal((await resolver.tlsa(465, 'smtp.test', never())).isSecure, true);
  assert.deepEqual([server.queries.length, server.connections], [2, 2]);
  resolver.close();
});

test('does not ask a third time', LIMIT, async () => {
  await using server = await DnsServer.start(() => 'hang-up', identity);
  const resolver = new ValidatingResolver(addressOf(server), trust);
  const asked = resolver.tlsa(465, 'smtp.test', never());
  await assert.rejects(asked, { name: 'DnsError', reason: 'unreachable' });
  assert.equal(server.queries.length, 2);
  resolver.close();
});

test('closes an idle connection', LIMIT, async (context) => {
  await using server = await DnsServer.start(secureTlsa, identity);
  const resolver = new ValidatingResolver(addressOf(server), trust);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  await resolver.tlsa(465, 'smtp.test', never());
  context.mock.timers.tick(5_000);
  await server.disconnected();
  context.mock.timers.reset();
  await resolver.tlsa(465, 'smtp.test', never());
  assert.equal(server.connections, 2);
  resolver.close();
});

test('does not close a connection on which an answer is awaited', LIMIT, async (context) => {
  const mayAnswer = Promise.withResolvers<void>();
  await using server = await DnsServer.start(async (query) => {
    if (query.name.startsWith('_1.')) await mayAnswer.promise;
    return secureTlsa(query);
  }, identity);
  const resolver = new ValidatingResolver(addressOf(server), trust);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  await resolver.tlsa(465, 'smtp.test', never());
  const late = resolver.tlsa(1, 'smtp.test', never());
  await server.received(2);
  await resolver.tlsa(587, 'smtp.test', never());
  context.mock.timers.tick(6_000);
  mayAnswer.resolve();
  assert.equal((await late).isSecure, true);
  assert.equal(server.connections, 1);
  resolver.close();
});

test('calls a resolver unproven that does not answer', LIMIT, async () => {
  await using server = await DnsServer.start(() => [], identity);
  const resolver = new ValidatingResolver(addressOf(server), trust);
  const end = new AbortController();
  const validation = resolver.proveValidation('bogus.test', end.signal);
  await server.received(1);
  end.abort();
  assert.deepEqual(await validation, { state: 'unproven', fault: 'timeout' });
  resolver.close();
});

test('fails with timeout when the resolver does not answer the handshake', LIMIT, async (context) => {
  const begun = Promise.withResolvers<void>();
  const silent = createServer((socket) => {
    socket.on('error', () => undefined).on('data', () => begun.resolve());
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  assert.ok(address !== null && typeof address === 'object');
  const resolver = new ValidatingResolver(addressOf(address), trust);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = assert.rejects(resolver.tlsa(465, 'smtp.test', never()), {
    name: 'DnsError',
    reason: 'timeout',
  });
  await begun.promise;
  context.mock.timers.tick(8_000);
  await asked;
  resolver.close();
  silent.close();
});

test('fails with unreachable where nobody listens', LIMIT, async () => {
  const server = await DnsServer.start(() => [], identity);
  const address = addressOf(server);
  await server[Symbol.asyncDispose]();
  const resolver = new ValidatingResolver(address, trust);
  const asked = resolver.tlsa(465, 'smtp.test', never());
  await assert.rejects(asked, { name: 'DnsError', reason: 'unreachable' });
  resolver.close();
});

test('gives up one question without ending the others', LIMIT, async () => {
  await using server = await DnsServer.start(
    (query) => (query.name.startsWith('_1.') ? [] : secureTlsa(query)),
    identity,
  );
  const resolver = new ValidatingResolver(addressOf(server), trust);
  const end = new AbortController();
  const given = resolver.tlsa(1, 'smtp.test', end.signal);
  await server.received(1);
  end.abort();
  await assert.rejects(given, { name: 'DnsError', reason: 'timeout' });
  assert.equal((await resolver.tlsa(465, 'smtp.test', never())).isSecure, true);
  assert.equal(server.connections, 1);
  resolver.close();
});

test('does not answer with the response to another question', LIMIT, async () => {
  await using server = await DnsServer.start(
    (query) => [response(query, { name: '_25._tcp.smtp.test', isSecure: true })],
    identity,
  );
  const resolver = new ValidatingResolver(addressOf(server), trust);
  const asked = resolver.tlsa(465, 'smtp.test', never());
  await assert.rejects(asked, { name: 'DnsError', reason: 'malformed' });
  resolver.close();
});

function ofAnotherAuthority(): Identity {
  const other = new TestAuthority('another CA');
  try {
    return other.issue({ san: 'DNS:dns.example.test' });
  } finally {
    other.remove();
  }
}

/** A variable of the process with another value for a while. */
class ChangedEnvironment implements Disposable {
  readonly #name: string;
  readonly #before: string | undefined;

  constructor(name: string, value: string | undefined) {
    this.#name = name;
    this.#before = process.env[name];
    this.#set(value);
  }

  get value(): string | undefined {
    return process.env[this.#name];
  }

  [Symbol.dispose](): void {
    this.#set(this.#before);
  }

  #set(value: string | undefined): void {
    if (value === undefined) delete process.env[this.#name];
    else process.env[this.#name] = value;
  }
}
