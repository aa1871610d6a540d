/**
 * `srv:domain` from end to end: which server gets the mail, and which names its certificate may show (RFC 6186, RFC 8314
 * §5.1), with DANE too (RFC 7673).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import {
  DaneStage,
  LIMIT,
  own,
  SELF_SIGNED,
  tlsaLines,
  trusted,
  type Delivered,
  type Policy,
  type Refused,
} from '../support/peers/dane-stage.ts';
import { freePorts } from '../support/peers/peer.ts';
import type { Identity } from '../support/pki.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';

type Service = '_submissions' | '_submission';

interface Server {
  readonly service?: Service;
  readonly priority?: number;
  /** A certificate that names the domain and nothing else by default; `undefined`: nobody listens. */
  readonly presents?: Identity | undefined;
  /** `smtp.secure.test.` by default; `.` for none. */
  readonly target?: string;
  /** TLSA records of the target, which is `smtp.secure.test`. */
  readonly tlsa?: readonly string[];
}

interface SrvCase {
  /** The guarantee, as a sentence without subject. */
  readonly name: string;
  readonly zone?: 'secure' | 'insecure';
  readonly policy?: Policy;
  readonly servers: readonly Server[];
  /** Service whose records have a spoiled signature. */
  readonly spoiled?: Service;
  /** Who gets the message, by its place among the servers, or what the client hears. */
  readonly outcome:
    | (Delivered & { readonly to: number })
    | (Omit<Refused, 'twin'> & { readonly at: number; readonly twin: Identity; readonly by: Delivered['by'] })
    | RegExp;
}

const NOBODY: Pick<Server, 'presents'> = { presents: undefined };
const OTHER = trusted.issue({ san: 'DNS:other.example.test' });
const FOR_TARGET = trusted.issue({ san: 'DNS:smtp.secure.test' });
const FOR_FOREIGN_TARGET = trusted.issue({ san: 'DNS:smtp.insecure.test' });
/** The domains of all cases, and not their servers. */
const FOR_DOMAIN = trusted.issue({ san: 'DNS:*.secure.test,DNS:*.insecure.test' });
/** `*.secure.test` is the servers' name too. */
const FOR_DOMAIN_ONLY = trusted.issue({
  san: Array.from({ length: 30 }, (_, at) => `DNS:d${at}.secure.test,DNS:d${at}.insecure.test`).join(),
});
const MISMATCH = {
  resultType: 'certificate-host-mismatch',
  reason: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
} as const;

const order: readonly SrvCase[] = [
  {
    name: 'takes TLS from the first octet before STARTTLS, and the lowest priority first',
    servers: [
      { service: '_submission', priority: 0 },
      { service: '_submissions', priority: 20 },
      { service: '_submissions', priority: 10 },
    ],
    outcome: { to: 2, by: 'pkix' },
  },
  {
    name: 'goes on to the next priority where a server is down',
    servers: [{ priority: 0, ...NOBODY }, { priority: 10 }, { service: '_submission' }],
    outcome: { to: 1, by: 'pkix' },
  },
  {
    name: 'falls back to STARTTLS, required, where no server with TLS from the first octet is up',
    servers: [{ priority: 0, ...NOBODY }, { priority: 10, ...NOBODY }, { service: '_submission' }],
    outcome: { to: 2, by: 'pkix' },
  },
  {
    name: 'takes STARTTLS where TLS from the first octet is decidedly not offered',
    servers: [{ service: '_submissions', target: '.', ...NOBODY }, { service: '_submission' }],
    outcome: { to: 1, by: 'pkix' },
  },
  {
    name: 'says nothing to a server with another name, and goes on to the next',
    servers: [{ priority: 0, presents: OTHER }, { priority: 10 }],
    outcome: { to: 1, by: 'pkix' },
  },
];

const names: readonly SrvCase[] = [
  ...(['secure', 'insecure'] as const).map((zone): SrvCase => ({
    name: `takes a certificate that names the domain alone, in ${zone}.test`,
    zone,
    servers: [{ presents: FOR_DOMAIN_ONLY }],
    outcome: { to: 0, by: 'pkix' },
  })),
  {
    name: 'takes a certificate that names the target alone where DNSSEC vouches for the record',
    servers: [{ presents: FOR_TARGET }],
    outcome: { to: 0, by: 'pkix', name: 'smtp.secure.test' },
  },
  {
    name: 'takes a target outside of the domain where DNSSEC vouches for the record',
    servers: [{ presents: FOR_FOREIGN_TARGET, target: 'smtp.insecure.test.' }],
    outcome: { to: 0, by: 'pkix', name: 'smtp.insecure.test' },
  },
  {
    name: 'refuses a certificate that names the target alone where nothing vouches for the record',
    zone: 'insecure',
    servers: [{ presents: FOR_FOREIGN_TARGET, target: 'smtp.insecure.test.' }],
    outcome: { ...MISMATCH, at: 0, twin: FOR_DOMAIN_ONLY, by: 'pkix' },
  },
  {
    name: 'refuses a target outside of the domain where nothing vouches for the record',
    zone: 'insecure',
    servers: [{ presents: FOR_TARGET }],
    outcome: { ...MISMATCH, at: 0, twin: FOR_DOMAIN_ONLY, by: 'pkix' },
  },
  {
    name: 'refuses a certificate that names neither domain nor target, after STARTTLS too',
    servers: [{ presents: OTHER, service: '_submission' }],
    outcome: { ...MISMATCH, at: 0, twin: FOR_DOMAIN_ONLY, by: 'pkix' },
  },
];

const absent: readonly SrvCase[] = [
  {
    name: 'tells the client where the domain says that it has no submission server',
    servers: [
      { service: '_submissions', target: '.', ...NOBODY },
      { service: '_submission', target: '.', ...NOBODY },
    ],
    outcome: /^451 4\.4\.3 The domain after srv: .* has no submission server\.$/,
  },
  {
    name: 'tells the client where DNS names no submission server',
    servers: [],
    outcome: /^451 4\.4\.3 DNS names no submission server for the domain /,
  },
  {
    name: 'does not do without the records that cannot be trusted, DANE or not',
    policy: 'off',
    servers: [{ service: '_submissions' }, { service: '_submission' }],
    spoiled: '_submissions',
    outcome: /^451 4\.4\.3 .*\(bogus\)/,
  },
];

const SELF_SIGNED_RECORD = own.tlsa(SELF_SIGNED, 3, 1, 1);
const dane: readonly SrvCase[] = [
  ...(['_submissions', '_submission'] as const).map((service): SrvCase => ({
    name: `believes the records of the target (${service})`,
    policy: 'require',
    servers: [{ service, presents: SELF_SIGNED, tlsa: [SELF_SIGNED_RECORD] }],
    outcome: { to: 0, by: 'dane-ee', name: 'smtp.secure.test' },
  })),
  {
    name: 'refuses what the records of the target do not describe, whatever authority vouches for it',
    policy: 'when-published',
    servers: [{ presents: FOR_TARGET, tlsa: [SELF_SIGNED_RECORD] }],
    outcome: {
      resultType: 'tlsa-invalid',
      reason: /^tlsa-mismatch$/,
      at: 0,
      twin: SELF_SIGNED,
      by: 'dane-ee',
    },
  },
  {
    name: 'does not believe the records of a target to which an insecure record leads',
    zone: 'insecure',
    policy: 'when-published',
    servers: [{ presents: SELF_SIGNED, tlsa: [SELF_SIGNED_RECORD] }],
    outcome: {
      resultType: 'certificate-not-trusted',
      reason: /SELF_SIGNED/,
      at: 0,
      twin: FOR_DOMAIN_ONLY,
      by: 'pkix',
    },
  },
];

const CASES = [...order, ...names, ...absent, ...dane];

/** `d0`, `d1`, …: each case has a domain of its own beneath its zone. */
function labelOf(one: SrvCase): string {
  return `d${CASES.indexOf(one)}`;
}

const upstreams = new Map<Server, ScriptedUpstream>();
let stage: DaneStage;
const started = new AsyncDisposableStack();
before(async () => {
  const lines: Record<'secure' | 'insecure' | 'bogus', string[]> = { secure: [], insecure: [], bogus: [] };
  const spoiled: { owner: string; type: string }[] = [];
  for (const one of CASES) {
    for (const server of one.servers) {
      const { service = '_submissions', priority = 0, target = 'smtp.secure.test.', tlsa = [] } = server;
      const port = await portOf(server);
      const owner = `${service}._tcp.${labelOf(one)}`;
      lines[one.zone ?? 'secure'].push(
        `${owner} IN SRV ${priority} 1 ${target === '.' ? 0 : port} ${target}`,
      );
      lines.secure.push(...tlsaLines(port, tlsa));
    }
    if (one.spoiled !== undefined)
      spoiled.push({ owner: `${one.spoiled}._tcp.${labelOf(one)}`, type: 'SRV' });
  }
  lines.bogus.push('_submissions._tcp IN SRV 0 1 465 smtp.secure.test.');
  stage = started.use(await DaneStage.start([], { records: lines, spoiled }));
});
after(async () => started.disposeAsync());

/** Starts the server, unless there is none. */
async function portOf(server: Server): Promise<number> {
  if ('presents' in server && server.presents === undefined) return (await freePorts(1))[0] ?? 0;
  const mode = server.service === '_submission' ? 'starttls' : 'implicit';
  const identity = server.presents ?? FOR_DOMAIN;
  const upstream = started.use(await ScriptedUpstream.start({ mode, identity }));
  upstreams.set(server, upstream);
  return upstream.port;
}

function upstreamOf({ servers }: SrvCase, at: number): ScriptedUpstream {
  const server = servers[at];
  const upstream = server === undefined ? undefined : upstreams.get(server);
  if (upstream === undefined) throw new Error(`nobody listens at place ${at}`);
  return upstream;
}

async function judge(one: SrvCase): Promise<void> {
  const { outcome, policy = 'off', zone = 'secure' } = one;
  const SEALPOST_UPSTREAM = `srv:${labelOf(one)}.${zone}.test`;
  await using relay = await stage.relay({ policy, variables: () => ({ SEALPOST_UPSTREAM }) });
  if (outcome instanceof RegExp) {
    assert.match((await stage.send(relay)).raw, outcome);
    for (const server of one.servers) assert.equal(upstreams.get(server)?.connections.length ?? 0, 0);
  } else if ('to' in outcome) {
    await stage.assertDelivered(relay, upstreamOf(one, outcome.to), outcome);
    for (const [at, server] of one.servers.entries())
      if (at !== outcome.to)
        assert.equal(upstreams.get(server)?.secured ?? '', '', 'nobody else is told anything');
  } else {
    const upstream = upstreamOf(one, outcome.at);
    await stage.assertRefused(relay, upstream, outcome);
    upstream.play({ ...upstream.script, identity: outcome.twin });
    await stage.assertDelivered(relay, upstream, { by: outcome.by });
  }
}

for (const [subject, some] of Object.entries({ order, names, absent, dane })) {
  describe(subject, { concurrency: 3 }, () => {
    for (const one of some) test(one.name, LIMIT, async () => judge(one));
  });
}

describe('DANE and the domain', { concurrency: 3 }, () => {
  for (const [zone, resultType, reason] of [
    ['bogus', 'dnssec-invalid', 'dns-bogus'],
    ['silent', 'dnssec-invalid', 'dns-timeout'],
  ] as const) {
    test(`refuses what ${zone}.test says about its servers`, LIMIT, async () => {
      const variables = { SEALPOST_UPSTREAM: `srv:${zone}.test`, SEALPOST_CONNECT_TIMEOUT: '1' };
      await using relay = await stage.relay({ variables: () => variables });
      assert.match((await stage.send(relay)).raw, /^451 4\.7\.5 /);
      const insecure = await relay.event('hop.insecure');
      assert.deepEqual(
        [insecure['resultType'], insecure['reason'], insecure['phase']],
        [resultType, reason, 'resolve'],
      );
    });
  }

  test(
    'refuses a server that an insecure record names where a record of its own is required',
    LIMIT,
    async () => {
      const at = CASES.findIndex(({ zone, policy }) => zone === 'insecure' && policy !== undefined);
      const variables = { SEALPOST_UPSTREAM: `srv:d${at}.insecure.test` };
      await using relay = await stage.relay({ policy: 'require', variables: () => variables });
      assert.match((await stage.send(relay)).raw, /^451 4\.7\.5 /);
      const insecure = await relay.event('hop.insecure');
      assert.deepEqual([insecure['resultType'], insecure['reason']], ['dane-required', 'not-dnssec-secure']);
    },
  );
});
