/**
 * DANE from end to end: under which names the relay looks for TLSA records, and which names it then believes
 * (RFC 7672 §2.2, §3.2).
 */
import { after, before, describe, test } from 'node:test';

import {
  DaneStage,
  LIMIT,
  own,
  SELF_SIGNED,
  tlsaLines,
  tlsaOf,
  trusted,
  WELL_KNOWN,
  type DaneCase,
} from '../support/peers/dane-stage.ts';
import type { Identity } from '../support/pki.ts';

const SELF_SIGNED_RECORD = own.tlsa(SELF_SIGNED, 3, 1, 1);
const WELL_KNOWN_RECORD = own.tlsa(WELL_KNOWN, 3, 1, 1);
const AUTHORITY_RECORD = own.tlsa(own.identity, 2, 1, 1);

/** Under the domain's own authority, for one name each. */
const FOR_ALIAS = underOwn('alias.secure.test');
const FOR_TARGET = underOwn('smtp.secure.test');
const FOR_OTHER = underOwn('other.secure.test');

function underOwn(name: string): Identity {
  const { key, cert } = own.issue({ san: `DNS:${name}` });
  return { key, cert: cert + own.caPem };
}

const NOT_TRUSTED = { resultType: 'certificate-not-trusted', reason: /SELF_SIGNED/ } as const;

const ALIAS = 'alias.secure.test';
const aliases: readonly DaneCase[] = [
  {
    name: 'finds the record at the end of an alias',
    presents: SELF_SIGNED,
    host: ALIAS,
    policy: 'require',
    records: tlsaOf(SELF_SIGNED_RECORD),
    expected: { by: 'dane-ee', name: 'smtp.secure.test' },
  },
  {
    name: 'finds the record at the alias itself where its end has none',
    presents: SELF_SIGNED,
    host: ALIAS,
    policy: 'require',
    records: (port) => ({ secure: tlsaLines(port, [SELF_SIGNED_RECORD], 'alias') }),
    expected: { by: 'dane-ee', name: ALIAS },
  },
  {
    name: 'believes the end of an alias before the alias',
    presents: WELL_KNOWN,
    host: ALIAS,
    records: (port) => ({
      secure: [...tlsaLines(port, [SELF_SIGNED_RECORD]), ...tlsaLines(port, [WELL_KNOWN_RECORD], 'alias')],
    }),
    expected: {
      resultType: 'tlsa-invalid',
      reason: /^tlsa-mismatch$/,
      twin: { presents: SELF_SIGNED, by: 'dane-ee' },
    },
  },
  {
    name: 'follows a record that is an alias itself',
    presents: SELF_SIGNED,
    policy: 'require',
    records: (port) => ({
      secure: [
        `_${port}._tcp.smtp IN CNAME _${port}.records`,
        `_${port}.records IN TLSA ${SELF_SIGNED_RECORD}`,
      ],
    }),
    expected: { by: 'dane-ee', name: 'smtp.secure.test' },
  },
  {
    name: 'does not believe a record whose alias leads out of the signed zones',
    presents: SELF_SIGNED,
    policy: 'require',
    records: (port) => ({
      secure: [`_${port}._tcp.smtp IN CNAME _${port}._tcp.smtp.insecure.test.`],
      insecure: tlsaLines(port, [SELF_SIGNED_RECORD]),
    }),
    expected: {
      resultType: 'dane-required',
      reason: /^not-dnssec-secure$/,
      phase: 'resolve',
      twin: { presents: WELL_KNOWN, policy: 'when-published', by: 'pkix' },
    },
  },
  // RFC 7672 §3.2.3: the base of the record, and the name that the operator wrote.
  ...[FOR_ALIAS, FOR_TARGET].map((presents, at): DaneCase => ({
    name: `takes the name of the ${at === 0 ? 'alias' : 'end of the alias'} under the described authority`,
    presents,
    host: ALIAS,
    policy: 'require',
    records: tlsaOf(AUTHORITY_RECORD),
    expected: { by: 'dane-ta', name: 'smtp.secure.test' },
  })),
  {
    name: 'refuses a name that is neither the alias nor its end under the described authority',
    presents: FOR_OTHER,
    host: ALIAS,
    records: tlsaOf(AUTHORITY_RECORD),
    expected: {
      resultType: 'certificate-host-mismatch',
      reason: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
      twin: { presents: FOR_TARGET, by: 'dane-ta' },
    },
  },
  {
    name: 'asks under a secure alias whose end is not secure, and believes what it says',
    presents: SELF_SIGNED,
    host: 'abroad.secure.test',
    policy: 'require',
    records: (port) => ({ secure: tlsaLines(port, [SELF_SIGNED_RECORD], 'abroad') }),
    expected: { by: 'dane-ee', name: 'abroad.secure.test' },
  },
  // Whoever can forge the alias could lead it to a signed zone of his own.
  {
    name: 'does not follow an insecure alias to secure records',
    presents: SELF_SIGNED,
    host: 'astray.insecure.test',
    records: tlsaOf(SELF_SIGNED_RECORD),
    expected: {
      ...NOT_TRUSTED,
      twin: { presents: trusted.issue({ san: 'DNS:astray.insecure.test' }), by: 'pkix' },
    },
  },
  {
    name: 'does not take the end of an insecure alias for the name, where it asks for chain and name',
    presents: WELL_KNOWN,
    host: 'astray.insecure.test',
    expected: {
      resultType: 'certificate-host-mismatch',
      reason: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
      twin: { presents: trusted.issue({ san: 'DNS:astray.insecure.test' }), by: 'pkix' },
    },
  },
  {
    name: 'asks under SEALPOST_TLS_SERVER_NAME where the upstream is an address',
    presents: SELF_SIGNED,
    host: '127.0.0.1',
    policy: 'require',
    variables: () => ({ SEALPOST_TLS_SERVER_NAME: 'smtp.secure.test' }),
    records: tlsaOf(SELF_SIGNED_RECORD),
    expected: { by: 'dane-ee', name: 'smtp.secure.test' },
  },
];

let stage: DaneStage;
const started = new AsyncDisposableStack();
before(async () => {
  stage = started.use(
    await DaneStage.start(aliases, {
      records: {
        secure: ['alias IN CNAME smtp', 'abroad IN CNAME smtp.insecure.test.'],
        insecure: ['astray IN CNAME smtp.secure.test.'],
      },
    }),
  );
});
after(async () => started.disposeAsync());

describe('the name of a record', { concurrency: 3 }, () => {
  for (const one of aliases) test(one.name, LIMIT, async () => stage.judge(one));
});
