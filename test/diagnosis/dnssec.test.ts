/**
 * What `sealpost check` believes of DNS: a resolver is tried with a bogus name before its AD bits count.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import type { Answer } from 'dns-packet';

import { checkAsJson, read, runCheck, wordOf } from '../support/check-run.ts';
import { a, DnsServer, response, type Query } from '../support/dns-server.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { TestAuthority } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';

const authority = new TestAuthority();
after(() => authority.remove());

const identity = authority.issue({ san: 'DNS:smtp.mail.test' });
const NOERROR = 0;
const SERVFAIL = 2;
const NXDOMAIN = 3;

type Validation = 'proven' | 'not-validating' | 'unproven';

/** The code of the answer about the bogus name. */
function bogusCode(validation: Validation, { isUnchecked }: Query): number {
  if (validation === 'unproven') return NXDOMAIN;
  return validation === 'proven' && !isUnchecked ? SERVFAIL : NOERROR;
}

interface Zone {
  readonly answers?: readonly Answer[];
  /** Names that DNSSEC cannot vouch for. */
  readonly bogus?: readonly string[];
  readonly isSecure?: boolean;
}

/** A resolver that says AD to everything it knows, whether or not it validates. */
async function resolver(validation: Validation, zone: Zone = {}): Promise<DnsServer> {
  const known = [a('smtp.mail.test', '127.0.0.1'), ...(zone.answers ?? [])];
  return DnsServer.start((query) => {
    if (query.name === 'bogus.test') {
      const code = bogusCode(validation, query);
      return [response(query, { code, isSecure: true, answers: [a('bogus.test', '127.0.0.1')] })];
    }
    const answers = known.filter(({ name, type }) => name === query.name && type === query.type);
    const isBogus = zone.bogus?.includes(query.name) === true && !query.isUnchecked;
    const code = isBogus ? SERVFAIL : NOERROR;
    return [response(query, { code, isSecure: zone.isSecure ?? true, answers: isBogus ? [] : answers })];
  });
}

function tlsa(port: number, usage: number, selector: 0 | 1, digits: string): Answer {
  const data = { usage, selector, matchingType: 1, certificate: Buffer.from(digits, 'hex') };
  return { type: 'TLSA', class: 'IN', name: `_${port}._tcp.smtp.mail.test`, ttl: 60, data };
}

function digest(): string {
  return authority.tlsa(identity, 3, 1, 1).split(' ')[3] ?? '';
}

function variables(dns: DnsServer, more: Variables = {}): Variables {
  return {
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_DNS_RESOLVER: `127.0.0.1:${dns.port}`,
    SEALPOST_DNS_BOGUS_NAME: 'bogus.test',
    SEALPOST_UPSTREAM_USER: 'relay-user',
    SEALPOST_UPSTREAM_PASSWORD: CANARY_PASSWORD,
    ...more,
  };
}

const DANE: Variables = { SEALPOST_TLS_DANE: 'when-published' };

async function start(): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity });
}

function urlOf({ port }: ScriptedUpstream): string {
  return `smtps://smtp.mail.test:${port}`;
}

describe('A resolver', { concurrency: 4 }, () => {
  test('that refuses a bogus name is believed: DNSSEC state and TLSA records are told', async () => {
    await using upstream = await start();
    const records = [tlsa(upstream.port, 3, 1, digest()), tlsa(upstream.port, 1, 1, digest())];
    await using dns = await resolver('proven', { answers: records });
    const { diagnosis, port, code } = await checkAsJson([urlOf(upstream)], variables(dns, DANE));
    assert.deepEqual(diagnosis.resolver, { state: 'proven' });
    assert.deepEqual(port.addresses, {
      name: 'smtp.mail.test',
      dnssec: 'secure',
      records: ['127.0.0.1'],
    });
    assert.deepEqual(port.tlsa, [
      {
        name: `_${upstream.port}._tcp.smtp.mail.test`,
        dnssec: 'secure',
        records: [
          { text: `3 1 1 ${digest()}`, isUsable: true },
          { text: `1 1 1 ${digest()}`, isUsable: false },
        ],
      },
    ]);
    assert.deepEqual([wordOf(port.verdict), port.secured?.authenticatedBy], ['secured', 'dane-ee']);
    assert.equal(code, 0);
    const { stdout } = await runCheck([urlOf(upstream)], variables(dns, DANE));
    assert.match(stdout, /^resolver +validates DNSSEC/);
    assert.ok(stdout.includes(`3 1 1 ${digest()}, usable (DNSSEC: secure)`), stdout);
    assert.ok(stdout.includes(`1 1 1 ${digest()}, not usable (DNSSEC: secure)`), stdout);
  });

  for (const [validation, variable] of [
    ['not-validating', 'SEALPOST_DNS_RESOLVER'],
    ['unproven', 'SEALPOST_DNS_BOGUS_NAME'],
  ] as const) {
    test(`that is ${validation} is not believed: with DANE nothing is secured and nothing is said`, async () => {
      await using upstream = await start();
      await using dns = await resolver(validation, { answers: [tlsa(upstream.port, 3, 1, digest())] });
      const { diagnosis, port, code } = await checkAsJson([urlOf(upstream)], variables(dns, DANE));
      assert.deepEqual(diagnosis.resolver, { state: validation });
      assert.deepEqual(
        [wordOf(port.verdict), port.verdict.reason],
        ['dnssec-invalid', `resolver-${validation}`],
      );
      assert.ok(port.verdict.sentence.includes(variable), port.verdict.sentence);
      assert.equal(port.addresses.dnssec, 'unproven');
      assert.deepEqual(
        port.tlsa?.map(({ dnssec, records }) => [dnssec, records.map(({ isUsable }) => isUsable)]),
        [['unproven', [false]]],
      );
      assert.ok(port.handshake !== undefined, 'what is there is told all the same');
      assert.equal(upstream.secured, '', 'nothing is said inside TLS');
      assert.equal(code, 69);
    });

    test(`that is ${validation} draws a warning only where DANE is off`, async () => {
      await using upstream = await start();
      await using dns = await resolver(validation);
      const { diagnosis, port, code } = await checkAsJson([urlOf(upstream)], variables(dns));
      assert.equal(wordOf(port.verdict), 'secured');
      assert.equal(port.addresses.dnssec, 'unproven');
      assert.ok(diagnosis.warnings.join().includes(variable));
      assert.equal(code, 0);
      const { stdout } = await runCheck([urlOf(upstream)], variables(dns));
      assert.match(stdout, /\nWarning: .*SEALPOST_DNS_RESOLVER/);
    });
  }

  test('that does not answer is noticed, and that is said', async () => {
    await using upstream = await start();
    await using dns = await DnsServer.start(() => []);
    const more = { ...DANE, SEALPOST_CONNECT_TIMEOUT: '8' };
    const { diagnosis, port, code } = await checkAsJson([urlOf(upstream)], variables(dns, more));
    assert.deepEqual(diagnosis.resolver, { state: 'unproven', fault: 'timeout' });
    assert.match(port.verdict.sentence, /it gave no answer in time; name one that answers/);
    assert.equal(wordOf(port.verdict), 'dnssec-invalid');
    assert.equal(port.addresses.fault, 'timeout');
    assert.equal(code, 69);
  });

  test('that does not prove its name in TLS is named for that', async () => {
    await using upstream = await start();
    await using dns = await DnsServer.start(() => [], authority.issue({ san: 'DNS:dns.other.test' }));
    const more = { ...DANE, SEALPOST_DNS_RESOLVER: `tls://localhost:${dns.port}` };
    const { diagnosis, port, code } = await checkAsJson([urlOf(upstream)], variables(dns, more));
    assert.deepEqual(diagnosis.resolver, { state: 'unproven', fault: 'not-verified' });
    assert.match(port.verdict.sentence, /it did not prove its name in TLS/);
    assert.equal(dns.queries.length, 0);
    assert.equal(code, 69);
    const { stdout } = await runCheck([urlOf(upstream)], variables(dns, more));
    assert.match(stdout, /^resolver +has not shown .*: it did not prove its name in TLS$/m);
  });
});

describe('DANE', { concurrency: 4 }, () => {
  const cases: readonly (readonly [string, string, (port: number) => Zone, string, RegExp])[] = [
    [
      'a record that does not describe the server',
      'when-published',
      (port) => ({ answers: [tlsa(port, 3, 1, '00'.repeat(32))] }),
      'tlsa-invalid',
      /^tlsa-mismatch$/,
    ],
    [
      'a bogus TLSA answer',
      'when-published',
      (port) => ({
        answers: [tlsa(port, 3, 1, digest())],
        bogus: [`_${port}._tcp.smtp.mail.test`],
      }),
      'dnssec-invalid',
      /^dns-bogus$/,
    ],
    ['no record where one is required', 'require', () => ({}), 'dane-required', /^no-tlsa-record$/],
    [
      'an insecure name where a record is required',
      'require',
      () => ({ isSecure: false }),
      'dane-required',
      /^not-dnssec-secure$/,
    ],
  ];
  for (const [what, policy, zone, word, reason] of cases) {
    test(`names ${what}, as serve would`, async () => {
      await using upstream = await start();
      await using dns = await resolver('proven', zone(upstream.port));
      const more = { SEALPOST_TLS_DANE: policy };
      const { port, code } = await checkAsJson([urlOf(upstream)], variables(dns, more));
      assert.equal(wordOf(port.verdict), word);
      assert.match(port.verdict.reason ?? '', reason);
      assert.equal(port.login.outcome, 'not-reached');
      assert.ok(port.handshake !== undefined, 'what is there is told all the same');
      assert.equal(upstream.secured, '');
      assert.equal(code, 69);
    });
  }
});

function srv(service: string, port: number, target: string): Answer {
  const data = { priority: 0, weight: 5, port, target };
  return { type: 'SRV', class: 'IN', name: `${service}._tcp.mail.test`, ttl: 60, data };
}

describe('srv:', { concurrency: 4 }, () => {
  test('shows the records and judges each port that they name', async () => {
    await using implicit = await start();
    await using starttls = await ScriptedUpstream.start({ mode: 'starttls', identity });
    await using dns = await resolver('proven', {
      answers: [
        srv('_submissions', implicit.port, 'smtp.mail.test'),
        srv('_submission', starttls.port, 'smtp.mail.test'),
      ],
    });
    const { upstream, code } = await checkAsJson(['srv:mail.test'], variables(dns));
    assert.equal(upstream.upstream, 'srv:mail.test');
    assert.deepEqual(
      upstream.srv?.map(({ name, dnssec, records }) => [name, dnssec, records[0]?.port]),
      [
        ['_submissions._tcp.mail.test', 'secure', implicit.port],
        ['_submission._tcp.mail.test', 'secure', starttls.port],
      ],
    );
    assert.deepEqual(
      upstream.ports.map(({ host, port, tls, verdict }) => [host, port, tls, wordOf(verdict)]),
      [
        ['smtp.mail.test', implicit.port, 'implicit', 'secured'],
        ['smtp.mail.test', starttls.port, 'starttls', 'secured'],
      ],
    );
    assert.equal(code, 0);
  });

  for (const validation of ['not-validating', 'unproven'] as const) {
    test(`of a resolver that is ${validation} is not believed, whatever its AD bits say, with DANE off too`, async () => {
      await using upstream = await start();
      const answers = [srv('_submissions', upstream.port, 'smtp.mail.test')];
      await using dns = await resolver(validation, { answers });
      const { upstream: found, port, code } = await checkAsJson(['srv:mail.test'], variables(dns));
      assert.equal(found.srv?.[0]?.dnssec, 'unproven');
      assert.deepEqual(
        [wordOf(port.verdict), port.verdict.reason],
        ['dnssec-invalid', `resolver-${validation}`],
      );
      assert.equal(upstream.secured, '', 'nothing is said inside TLS');
      assert.equal(code, 69);
    });

    test(`of a resolver that is ${validation} needs no belief for a name that the operator gives`, async () => {
      await using upstream = await start();
      const answers = [srv('_submissions', upstream.port, 'smtp.mail.test')];
      await using dns = await resolver(validation, { answers });
      const argument = 'srv:mail.test?server-name=smtp.mail.test';
      const { port, code } = await checkAsJson([argument], variables(dns));
      assert.deepEqual([wordOf(port.verdict), port.secured?.name], ['secured', 'smtp.mail.test']);
      assert.equal(code, 0);
    });
  }

  test('with insecure records asks the certificate for the domain, and says so', async () => {
    await using upstream = await start();
    const answers = [srv('_submissions', upstream.port, 'smtp.mail.test')];
    await using dns = await resolver('proven', { answers, isSecure: false });
    const { port, code } = await checkAsJson(['srv:mail.test'], variables(dns));
    assert.equal(wordOf(port.verdict), 'certificate-host-mismatch');
    assert.equal(upstream.secured, '');
    assert.equal(code, 69);
  });

  test('without records, or with a target of ".", has a verdict and no port', async () => {
    for (const [answers, reason] of [
      [[], 'no-srv-record'],
      [[srv('_submissions', 0, '.')], 'service-not-offered'],
    ] as const) {
      await using dns = await resolver('proven', { answers });
      const run = await runCheck(['--json', 'srv:mail.test'], variables(dns));
      const [upstream] = read(run).upstreams;
      assert.deepEqual(upstream?.ports, []);
      assert.deepEqual([wordOf(upstream.verdict), upstream.verdict?.reason], ['dns', reason]);
      assert.equal(run.code, 69);
      const text = await runCheck(['srv:mail.test'], variables(dns));
      assert.match(text.stdout, new RegExp(`verdict +dns \\(${reason}\\): `));
    }
  });
});
