/**
 * DANE from end to end: what TLSA records in a signed zone say about the certificate of an upstream, and what the relay
 * makes of it (RFC 6698, RFC 7671, RFC 7672).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { assertUnchanged, messageWith } from '../support/peers/messages.ts';
import {
  DaneStage,
  LIMIT,
  own,
  POLICIES,
  SELF_SIGNED,
  tlsaLines,
  tlsaOf,
  trusted,
  underEach,
  WELL_KNOWN,
  type DaneCase,
  type Refused,
} from '../support/peers/dane-stage.ts';
import { startPostfix, type PostfixPeer } from '../support/peers/postfix.ts';
import { TestAuthority, type Identity } from '../support/pki.ts';
import { startRelay } from '../support/relay-process.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const SAN = 'DNS:smtp.secure.test';
const PAST = '20250601000000Z';

/** Same name as the domain's authority, another key: what an attacker can make in a minute. */
const impostor = new TestAuthority('Own CA of the domain');
process.on('exit', () => impostor.remove());

/** Nothing about it is right but the key. */
const outdated = own.issue({ selfSigned: true, san: 'DNS:other.example.test', notAfter: PAST });
const renewed = own.issue({ selfSigned: true, san: SAN, keyOf: SELF_SIGNED });

/** With the authority that a server has to send (RFC 7671 §5.2.2), and without. */
const leaf = own.issue({ san: SAN });
const byOwn = sent(leaf, own.identity);
const misnamed = sent(own.issue({ san: 'DNS:other.example.test' }), own.identity);
const expired = sent(own.issue({ san: SAN, notAfter: PAST }), own.identity);
/** The intermediate is sent, and the root is not. */
const byIntermediate = own.issue({ san: SAN, intermediate: true });
const intermediate = own.intermediate();
const forged = sent(impostor.issue({ san: SAN }), own.identity);
const appended = sent(WELL_KNOWN, own.identity);

function sent(identity: Identity, ...more: readonly Identity[]): Identity {
  return { key: identity.key, cert: identity.cert + more.map(({ cert }) => cert).join('') };
}

type Parameters = readonly [usage: number, selector: 0 | 1, matchingType: 0 | 1 | 2];
const tlsa = (identity: Identity, ...parameters: Parameters): string => own.tlsa(identity, ...parameters);
const END_ENTITY: readonly Parameters[] = [
  [3, 1, 1],
  [3, 0, 1],
  [3, 1, 2],
  [3, 0, 2],
  [3, 1, 0],
  [3, 0, 0],
];
const ANCHOR: readonly Parameters[] = [
  [2, 1, 1],
  [2, 0, 1],
  [2, 0, 2],
  [2, 0, 0],
];

const BY_KEY = tlsa(SELF_SIGNED, 3, 1, 1);
const BY_AUTHORITY = tlsa(own.identity, 2, 1, 1);
const MISMATCH = { resultType: 'tlsa-invalid', reason: /^tlsa-mismatch$/ } as const;
const HOSTILE_SWITCHES = (): Record<string, string> => ({ NODE_TLS_REJECT_UNAUTHORIZED: '0' });

/** What must end in a refusal as long as the server does not show `right`. */
function mismatch(right: Identity, by: 'dane-ee' | 'dane-ta'): Refused {
  return { ...MISMATCH, twin: { presents: right, by } };
}

const endEntity: readonly DaneCase[] = [
  ...END_ENTITY.map((parameters): DaneCase => ({
    name: `believes a self-signed certificate that a secure ${parameters.join(' ')} record describes`,
    presents: SELF_SIGNED,
    policy: 'require',
    records: tlsaOf(tlsa(SELF_SIGNED, ...parameters)),
    expected: { by: 'dane-ee', name: 'smtp.secure.test' },
  })),
  {
    name: 'believes a certificate of a trusted authority by its record',
    presents: WELL_KNOWN,
    records: tlsaOf(tlsa(WELL_KNOWN, 3, 1, 1)),
    expected: { by: 'dane-ee' },
  },
  {
    name: 'asks neither for dates nor for a name where a record of usage 3 describes the key (RFC 7672 §3.1.1)',
    presents: outdated,
    records: tlsaOf(tlsa(outdated, 3, 1, 1)),
    expected: { by: 'dane-ee' },
  },
  {
    name: 'believes a renewed certificate over the key that is described',
    presents: renewed,
    records: tlsaOf(BY_KEY),
    expected: { by: 'dane-ee' },
  },
  {
    name: 'refuses a renewed certificate where the old one is described as a whole',
    presents: renewed,
    records: tlsaOf(tlsa(SELF_SIGNED, 3, 0, 1)),
    expected: mismatch(SELF_SIGNED, 'dane-ee'),
  },
  {
    name: 'believes any of several keys, for rotation',
    presents: SELF_SIGNED,
    records: tlsaOf(tlsa(WELL_KNOWN, 3, 1, 1), tlsa(leaf, 3, 1, 1), BY_KEY),
    expected: { by: 'dane-ee' },
  },
  ...underEach(POLICIES, {
    name: 'refuses a self-signed certificate that the secure record does not describe',
    presents: leaf,
    records: tlsaOf(BY_KEY),
    expected: mismatch(SELF_SIGNED, 'dane-ee'),
  }),
  ...underEach(POLICIES, {
    name: 'refuses a certificate of a trusted authority that the secure record does not describe',
    presents: WELL_KNOWN,
    records: tlsaOf(BY_KEY),
    expected: mismatch(SELF_SIGNED, 'dane-ee'),
  }),
  {
    name: 'refuses the same with verification switched off in the environment',
    presents: leaf,
    variables: HOSTILE_SWITCHES,
    records: tlsaOf(BY_KEY),
    expected: mismatch(SELF_SIGNED, 'dane-ee'),
  },
];

const anchors: readonly DaneCase[] = [
  ...ANCHOR.map((parameters): DaneCase => ({
    name: `believes a chain to the authority that a secure ${parameters.join(' ')} record describes`,
    presents: byOwn,
    policy: 'require',
    records: tlsaOf(tlsa(own.identity, ...parameters)),
    expected: { by: 'dane-ta', name: 'smtp.secure.test' },
  })),
  {
    name: 'believes a chain to an intermediate that is described, without its root',
    presents: byIntermediate,
    records: tlsaOf(tlsa(intermediate, 2, 0, 1)),
    expected: { by: 'dane-ta' },
  },
  {
    name: 'believes a chain through an intermediate to the root that is described',
    presents: sent(byIntermediate, own.identity),
    records: tlsaOf(BY_AUTHORITY),
    expected: { by: 'dane-ta' },
  },
  {
    name: 'believes the authority where an old key is described besides',
    presents: byOwn,
    records: tlsaOf(BY_KEY, BY_AUTHORITY),
    expected: { by: 'dane-ta' },
  },
  ...underEach(POLICIES, {
    name: 'refuses a chain whose described authority is not sent',
    presents: leaf,
    records: tlsaOf(BY_AUTHORITY),
    expected: mismatch(byOwn, 'dane-ta'),
  }),
  {
    name: 'refuses a chain whose described authority is not sent, although SEALPOST_TLS_CA_FILE has it',
    presents: WELL_KNOWN,
    records: tlsaOf(tlsa(trusted.identity, 2, 1, 1)),
    expected: mismatch(sent(WELL_KNOWN, trusted.identity), 'dane-ta'),
  },
  {
    name: 'refuses a certificate that a record of usage 2 describes itself',
    presents: SELF_SIGNED,
    records: tlsaOf(tlsa(SELF_SIGNED, 2, 1, 1), BY_AUTHORITY),
    expected: mismatch(byOwn, 'dane-ta'),
  },
  ...underEach(POLICIES, {
    name: 'refuses a certificate of a trusted authority where another authority is described',
    presents: sent(WELL_KNOWN, trusted.identity),
    records: tlsaOf(BY_AUTHORITY),
    expected: mismatch(byOwn, 'dane-ta'),
  }),
  {
    name: 'refuses a certificate of a trusted authority with the described one sent along',
    presents: appended,
    records: tlsaOf(BY_AUTHORITY),
    expected: {
      resultType: 'certificate-not-trusted',
      reason: /./,
      twin: { presents: byOwn, by: 'dane-ta' },
    },
  },
  {
    name: 'refuses a certificate by somebody of the same name as the described authority, which is sent along',
    presents: forged,
    records: tlsaOf(BY_AUTHORITY),
    expected: {
      resultType: 'certificate-not-trusted',
      reason: /./,
      twin: { presents: byOwn, by: 'dane-ta' },
    },
  },
  {
    name: 'refuses another name under the described authority',
    presents: misnamed,
    records: tlsaOf(BY_AUTHORITY),
    expected: {
      resultType: 'certificate-host-mismatch',
      reason: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
      twin: { presents: byOwn, by: 'dane-ta' },
    },
  },
  {
    name: 'refuses another name under the described authority with verification switched off in the environment',
    presents: misnamed,
    variables: HOSTILE_SWITCHES,
    records: tlsaOf(BY_AUTHORITY),
    expected: {
      resultType: 'certificate-host-mismatch',
      reason: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
      twin: { presents: byOwn, by: 'dane-ta' },
    },
  },
  {
    name: 'refuses a server that shows the described authority once, and then a chain to a trusted one',
    presents: byOwn,
    thenPresents: sent(WELL_KNOWN, trusted.identity),
    records: tlsaOf(BY_AUTHORITY),
    expected: {
      resultType: 'certificate-not-trusted',
      reason: /./,
      twin: { presents: byOwn, by: 'dane-ta' },
    },
  },
  {
    name: 'refuses an expired certificate under the described authority',
    presents: expired,
    records: tlsaOf(BY_AUTHORITY),
    expected: {
      resultType: 'certificate-expired',
      reason: /^CERT_HAS_EXPIRED$/,
      twin: { presents: byOwn, by: 'dane-ta' },
    },
  },
];

/** What begins in clear comes to the same. */
const AFTER_STARTTLS: readonly RegExp[] = [
  / 3 1 1 /,
  / 2 0 1 /,
  /neither for dates/,
  /^refuses .* trusted .* does not describe \(when/,
  /not sent \(when/,
  /another name under .* authority$/,
  /old key/,
];
const implicit = [...endEntity, ...anchors];
const starttls = implicit
  .filter(({ name }) => AFTER_STARTTLS.some((pattern) => pattern.test(name)))
  .map((one): DaneCase => ({ ...one, mode: 'starttls' }));

let postfix: PostfixPeer;
let stage: DaneStage;
const started = new AsyncDisposableStack();
before(async () => {
  postfix = started.use(await startPostfix(sent(leaf, own.identity)));
  const secure = [
    ...tlsaLines(postfix.submissionsPort, [tlsa(leaf, 3, 1, 1)]),
    ...tlsaLines(postfix.submissionPort, [BY_AUTHORITY]),
  ];
  stage = started.use(await DaneStage.start([...implicit, ...starttls], { records: { secure } }));
});
after(async () => started.disposeAsync());

describe('over implicit TLS', { concurrency: 3 }, () => {
  for (const one of implicit) test(one.name, LIMIT, async () => stage.judge(one));
});

describe('after STARTTLS', { concurrency: 3 }, () => {
  test('has the cases that matter most', () => assert.equal(starttls.length, AFTER_STARTTLS.length));
  for (const one of starttls) test(one.name, LIMIT, async () => stage.judge(one));
});

describe('Postfix', () => {
  for (const [scheme, by] of [
    ['smtps', 'dane-ee'],
    ['smtp', 'dane-ta'],
  ] as const) {
    test(
      `gets a message by ${scheme} with ${by}, and no authority of the relay knows it`,
      LIMIT,
      async () => {
        const port = scheme === 'smtps' ? postfix.submissionsPort : postfix.submissionPort;
        await using relay = await startRelay({
          SEALPOST_UPSTREAM: `${scheme}://smtp.secure.test:${port}`,
          SEALPOST_UPSTREAM_USER: postfix.user,
          SEALPOST_UPSTREAM_PASSWORD: postfix.password,
          SEALPOST_TLS_DANE: 'require',
          SEALPOST_DNS_RESOLVER: stage.dnssec.resolver,
        });
        const content = messageWith(`by ${scheme}\r\n`);
        using client = await SmtpDialog.open(relay.port());
        const reply = await client.send(content.toString().replace(/\r\n$/, ''), 'a@x.test', 'b@y.test');
        assert.equal(reply.code, 250, `${reply.raw}\n${relay.output}`);
        assert.equal((await relay.event('hop.secured'))['authenticatedBy'], by);
        assertUnchanged(await postfix.maildir.takeOnly(), content);
      },
    );
  }
});
