/**
 * `sealpost check` against real submission servers and a real validating resolver.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { checkAsJson, runCheck, wordOf } from '../support/check-run.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { startChasquid } from '../support/peers/chasquid.ts';
import { startDnssec, type Dnssec } from '../support/peers/dnssec.ts';
import { startExim } from '../support/peers/exim.ts';
import { PASSWORD, type Peer } from '../support/peers/peer.ts';
import { startPostfix } from '../support/peers/postfix.ts';
import { TestAuthority, type Identity } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';

interface Server {
  readonly name: string;
  readonly start: (identity: Identity) => Promise<Peer>;
  readonly greeting: RegExp;
  readonly mechanisms: readonly string[];
  /** What else it offers inside TLS. */
  readonly offers: Readonly<Record<string, boolean>>;
}

const SERVERS: readonly Server[] = [
  {
    name: 'Postfix',
    start: startPostfix,
    greeting: /^220 postfix\.test ESMTP/,
    mechanisms: ['PLAIN', 'LOGIN'],
    offers: { chunking: true, pipelining: true, eightBitMime: true, smtpUtf8: true, requireTls: false },
  },
  {
    name: 'Exim',
    start: startExim,
    greeting: /^220 .*Exim/,
    mechanisms: ['PLAIN', 'LOGIN'],
    offers: { chunking: true, pipelining: true, eightBitMime: true, requireTls: false },
  },
  {
    name: 'chasquid',
    start: startChasquid,
    greeting: /^220 .*ESMTP/,
    mechanisms: ['PLAIN'],
    offers: { pipelining: true, eightBitMime: true, smtpUtf8: true, requireTls: false },
  },
];

/** What never comes is a failure, not a wait without end. */
const LIMIT = { timeout: 60_000 };

const authority = new TestAuthority();
after(() => authority.remove());

for (const server of SERVERS) {
  describe(server.name, () => {
    const identity = authority.issue({ intermediate: true });
    let peer: Peer;
    before(async () => (peer = await server.start(identity)));
    after(async () => peer[Symbol.asyncDispose]());

    test('is "secured" on both its ports, logged in, with what it offers', LIMIT, async () => {
      const { diagnosis, code, stdout } = await checkAsJson(urlsOf(peer), login(peer, peer.password));
      assert.equal(code, 0, stdout);
      assert.ok(!stdout.includes(PASSWORD), 'no password in the output');
      const ports = diagnosis.upstreams.flatMap((upstream) => upstream.ports);
      assert.deepEqual(
        ports.map(({ port, verdict, login: { outcome } }) => [port, wordOf(verdict), outcome]),
        [
          [peer.submissionsPort, 'secured', 'accepted'],
          [peer.submissionPort, 'secured', 'accepted'],
        ],
      );
      for (const { secured, handshake } of ports) {
        assert.equal(secured?.authenticatedBy, 'pkix');
        assert.deepEqual(new Set(secured.offers.auth), new Set(server.mechanisms));
        for (const [name, isOffered] of Object.entries(server.offers))
          assert.equal(Object.entries(secured.offers).find(([one]) => one === name)?.[1], isOffered, name);
        assert.ok((secured.offers.size ?? 0) > 50_000_000, 'SIZE');
        assert.equal(handshake?.pin, authority.pin(identity));
        assert.equal(handshake.certificates.length, 2);
        assert.equal(handshake.protocol, 'TLSv1.3');
      }
      assert.match(ports[1]?.greeting ?? '', server.greeting);
      assert.deepEqual(
        ports.map(({ speaks, offersStarttls }) => [speaks, offersStarttls]),
        [
          ['tls', undefined],
          ['smtp', true],
        ],
      );
    });

    test(
      'is told apart from what would work: wrong scheme, wrong password, unknown authority',
      LIMIT,
      async () => {
        const [implicit, starttls] = [peer.submissionsPort, peer.submissionPort];
        const swapped = [`smtp://localhost:${implicit}`, `smtps://localhost:${starttls}`];
        const limit = { SEALPOST_CONNECT_TIMEOUT: '8' };
        const wrongScheme = await runCheck(swapped, { ...login(peer, peer.password), ...limit });
        assert.ok(wrongScheme.stdout.includes(`use smtps://localhost:${implicit}`), wrongScheme.stdout);
        assert.ok(wrongScheme.stdout.includes(`use smtp://localhost:${starttls}`), wrongScheme.stdout);
        const wrongPassword = await checkAsJson(urlsOf(peer).slice(0, 1), login(peer, CANARY_PASSWORD));
        assert.deepEqual(
          [wordOf(wrongPassword.port.verdict), wrongPassword.port.login.outcome],
          ['auth', 'refused'],
        );
        const stranger = await checkAsJson(urlsOf(peer).slice(1));
        assert.equal(wordOf(stranger.port.verdict), 'certificate-not-trusted');
        for (const { code } of [wrongScheme, wrongPassword, stranger]) assert.equal(code, 69);
      },
    );

    test('shows --pin the key of both its ports', LIMIT, async () => {
      const { stdout, code } = await runCheck(['--pin', ...urlsOf(peer)]);
      assert.equal(stdout, `${authority.pin(identity)}\n`);
      assert.equal(code, 0);
    });
  });
}

function urlsOf({ submissionsPort, submissionPort }: Peer): readonly string[] {
  return [`smtps://localhost:${submissionsPort}`, `smtp://localhost:${submissionPort}`];
}

function login({ user }: Peer, password: string): Variables {
  const file = join(authority.directory, 'password');
  writeFileSync(file, `${password}\n`);
  return {
    SEALPOST_UPSTREAM_USER: user,
    SEALPOST_UPSTREAM_PASSWORD_FILE: file,
    SEALPOST_TLS_CA_FILE: authority.caFile,
  };
}

describe('With a validating resolver', () => {
  const identity = authority.issue({ selfSigned: true, san: 'DNS:smtp.secure.test' });
  const trusted = authority.issue({ san: 'DNS:smtp.insecure.test,DNS:smtp.secure.test' });
  let dnssec: Dnssec;
  let upstream: ScriptedUpstream;
  let second: ScriptedUpstream;
  before(async () => {
    upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
    second = await ScriptedUpstream.start({ mode: 'starttls', identity: trusted });
    const srv = `_submissions._tcp IN SRV 0 1 ${upstream.port} smtp.secure.test.`;
    dnssec = await startDnssec({
      records: {
        secure: [`_${upstream.port}._tcp.smtp IN TLSA ${authority.tlsa(identity, 3, 1, 1)}`, srv],
        insecure: [`_submission._tcp IN SRV 0 1 ${second.port} smtp.insecure.test.`],
        bogus: [`_${upstream.port}._tcp.smtp IN TLSA ${authority.tlsa(identity, 3, 1, 1)}`],
      },
    });
  });
  after(async () => {
    await dnssec[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  function variables(more: Variables = {}): Variables {
    return {
      SEALPOST_TLS_CA_FILE: authority.caFile,
      SEALPOST_TLS_DANE: 'when-published',
      SEALPOST_DNS_RESOLVER: dnssec.resolver,
      SEALPOST_DNS_BOGUS_NAME: 'bogus.test',
      ...more,
    };
  }

  test('believes it, shows the TLSA record, and is "secured" by it', LIMIT, async () => {
    const url = `smtps://smtp.secure.test:${upstream.port}`;
    const { diagnosis, port, code } = await checkAsJson([url], variables());
    assert.deepEqual(diagnosis.resolver, { state: 'proven' });
    assert.equal(port.addresses.dnssec, 'secure');
    const [tlsa] = port.tlsa ?? [];
    assert.equal(tlsa?.dnssec, 'secure');
    assert.deepEqual(tlsa.records, [{ text: authority.tlsa(identity, 3, 1, 1), isUsable: true }]);
    assert.deepEqual([wordOf(port.verdict), port.secured?.authenticatedBy], ['secured', 'dane-ee']);
    assert.equal(code, 0);
  });

  test('shows what is insecure and what is bogus', LIMIT, async () => {
    const urls = [`smtp://smtp.insecure.test:${second.port}`, `smtps://smtp.bogus.test:${upstream.port}`];
    const { diagnosis, code } = await checkAsJson(urls, variables());
    const found = diagnosis.upstreams.flatMap(({ ports }) =>
      ports.map(({ addresses, tlsa, verdict }) => [addresses.dnssec, tlsa, wordOf(verdict)]),
    );
    assert.deepEqual(found, [
      ['insecure', [], 'secured'],
      ['bogus', [], 'dnssec-invalid'],
    ]);
    assert.equal(code, 69);
  });

  test('finds the ports of srv:, DNSSEC-secure and not', LIMIT, async () => {
    const secure = await checkAsJson(['srv:secure.test'], variables());
    assert.equal(secure.upstream.srv?.[0]?.dnssec, 'secure');
    assert.deepEqual([secure.port.port, wordOf(secure.port.verdict)], [upstream.port, 'secured']);
    assert.equal(secure.code, 0);
    const insecure = await checkAsJson(['srv:insecure.test'], variables());
    assert.deepEqual(
      insecure.upstream.srv?.map(({ dnssec: state, records }) => [state, records.length]),
      [
        ['insecure', 0],
        ['insecure', 1],
      ],
    );
    assert.equal(wordOf(insecure.port.verdict), 'certificate-host-mismatch');
    assert.equal(insecure.code, 69);
  });

  test('does not believe one that validates nothing', LIMIT, async () => {
    const url = `smtps://smtp.secure.test:${upstream.port}`;
    const { diagnosis, port, code } = await checkAsJson(
      [url],
      variables({ SEALPOST_DNS_RESOLVER: dnssec.authoritative }),
    );
    assert.deepEqual(diagnosis.resolver, { state: 'not-validating' });
    assert.equal(wordOf(port.verdict), 'dnssec-invalid');
    assert.match(port.verdict.sentence, /SEALPOST_DNS_RESOLVER/);
    assert.equal(port.addresses.dnssec, 'unproven');
    assert.equal(code, 69);
  });

  test('does not believe one that could not be tried', LIMIT, async () => {
    const url = `smtps://smtp.secure.test:${upstream.port}`;
    const { diagnosis, port } = await checkAsJson(
      [url],
      variables({ SEALPOST_DNS_BOGUS_NAME: 'no-such-name.test' }),
    );
    assert.deepEqual(diagnosis.resolver, { state: 'unproven' });
    assert.equal(wordOf(port.verdict), 'dnssec-invalid');
    assert.match(port.verdict.sentence, /SEALPOST_DNS_BOGUS_NAME/);
  });
});
