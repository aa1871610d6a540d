/**
 * `sealpost check` against good, wrong and hostile servers: the verdict, the sentence, the exit code.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { checkAsJson, type Checked, runCheck, wordOf } from '../support/check-run.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { assertClearText } from '../support/hostile-judgement.ts';
import { TestAuthority } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import {
  CLOSE,
  GOOD_KEYWORDS,
  ScriptedUpstream,
  SILENCE,
  type Script,
} from '../support/scripted-upstream.ts';

const authority = new TestAuthority();
const stranger = new TestAuthority('Another CA');
after(() => {
  authority.remove();
  stranger.remove();
});

const good = authority.issue();
const PAST = '20250601000000Z';

const TRUST: Variables = {
  SEALPOST_TLS_CA_FILE: authority.caFile,
  SEALPOST_CONNECT_TIMEOUT: '8', // enough for a machine that does several things at once
};

async function check(url: string, variables: Variables = {}): Promise<Checked> {
  return checkAsJson([url], { ...TRUST, ...variables });
}

interface Case {
  readonly name: string;
  /** How we are told to begin. */
  readonly scheme: 'smtp' | 'smtps';
  /** What the server does otherwise than a good one of that scheme. */
  readonly script: Partial<Script>;
  readonly word: string;
  readonly reason?: RegExp;
  readonly sentence: RegExp;
  /** `PORT` stands for the port. */
  readonly hint?: string;
  readonly also?: (checked: Checked, upstream: ScriptedUpstream) => void;
}

const certificates: readonly Case[] = (['smtp', 'smtps'] as const).flatMap((scheme) => [
  {
    name: `an expired certificate behind ${scheme}://`,
    scheme,
    script: { identity: authority.issue({ notAfter: PAST }) },
    word: 'certificate-expired',
    sentence: /expired/,
    also: ({ port }) => assert.ok((port.handshake?.certificates[0]?.daysLeft ?? 0) < 0),
  },
  {
    name: `a certificate for another name behind ${scheme}://`,
    scheme,
    script: { identity: authority.issue({ san: 'DNS:mail.other.test' }) },
    word: 'certificate-host-mismatch',
    sentence: /does not carry the name/,
    also: ({ port }) =>
      assert.deepEqual(port.handshake?.certificates[0]?.names, ['DNS:mail.other.test'], 'the name is told'),
  },
  {
    name: `a certificate of an unknown authority behind ${scheme}://`,
    scheme,
    script: { identity: stranger.issue() },
    word: 'certificate-not-trusted',
    sentence: /SEALPOST_TLS_CA_FILE/,
    also: ({ port }) => assert.equal(port.handshake?.certificates[0]?.issuer, 'CN=Another CA'),
  },
]);

const beginnings: readonly Case[] = [
  {
    name: 'smtp:// to a port that speaks TLS at once',
    scheme: 'smtp',
    script: { mode: 'implicit' },
    word: 'starttls-not-supported',
    reason: /^timeout$/,
    sentence: /speaks TLS at once: use/,
    hint: 'smtps://localhost:PORT',
    also: ({ port }) => assert.equal(port.speaks, 'tls'),
  },
  {
    name: 'smtps:// to a port that begins in clear text',
    scheme: 'smtps',
    script: { mode: 'starttls' },
    word: 'validation-failure',
    sentence: /begins in clear text: use/,
    hint: 'smtp://localhost:PORT',
    also: ({ port }) => assert.deepEqual([port.speaks, port.offersStarttls], ['smtp', true]),
  },
  {
    name: 'smtps:// to a port that has no TLS at all',
    scheme: 'smtps',
    script: { mode: 'starttls', clearKeywords: ['AUTH PLAIN'] },
    word: 'validation-failure',
    sentence: /offers no STARTTLS: use another port/,
  },
  {
    name: 'a server without STARTTLS',
    scheme: 'smtp',
    script: { clearKeywords: ['AUTH PLAIN'] },
    word: 'starttls-not-supported',
    reason: /^not-offered$/,
    sentence: /does not offer STARTTLS/,
    also: ({ port }) => assert.equal(port.offersStarttls, false),
  },
  {
    name: 'a server that refuses STARTTLS',
    scheme: 'smtp',
    script: { answer: (line) => (line === 'STARTTLS' ? '454 4.7.0 not now\r\n' : undefined) },
    word: 'starttls-not-supported',
    reason: /^refused-454$/,
    sentence: /refused STARTTLS/,
    also: ({ port }) => assert.equal(port.offersStarttls, true),
  },
  {
    name: 'a server that wants no session',
    scheme: 'smtp',
    script: { greeting: '554 5.7.1 go away\r\n' },
    word: 'session-refused',
    reason: /^554$/,
    sentence: /said: 554 5\.7\.1 go away/,
    also: ({ port }) => assert.equal(port.greeting, '554 5.7.1 go away'),
  },
  {
    name: 'a server that wants no session inside TLS',
    scheme: 'smtps',
    script: { greeting: '554 5.7.1 go away\r\n' },
    word: 'session-refused',
    sentence: /said: 554 5\.7\.1 go away/,
  },
  {
    name: 'a server that greets with something else than SMTP',
    scheme: 'smtp',
    script: { greeting: 'SSH-2.0-OpenSSH_9.9\r\n' },
    word: 'protocol',
    sentence: /no mail server/,
    also: ({ port }) => assert.equal(port.speaks, 'other'),
  },
  {
    name: 'TLS without a mail server inside it',
    scheme: 'smtps',
    script: { greeting: SILENCE },
    word: 'unreachable',
    sentence: /no greeting inside TLS/,
    also: ({ port }) => assert.equal(port.speaks, 'tls'),
  },
  {
    name: 'a server that hangs up during the login',
    scheme: 'smtps',
    script: { answer: (line) => (line.startsWith('AUTH') ? CLOSE : undefined) },
    word: 'lost',
    sentence: /lost at auth/,
    also: ({ port }) => assert.equal(port.login.outcome, 'failed'),
  },
];

const silent: readonly Case[] = (['smtp', 'smtps'] as const).map((scheme) => ({
  name: `a port that stays silent, asked by ${scheme}://`,
  scheme,
  // Of fifty ClientHellos one has CR LF among its random octets, which would be a command.
  script: { mode: 'starttls', greeting: SILENCE, answer: () => SILENCE },
  word: scheme === 'smtp' ? 'unreachable' : 'validation-failure',
  reason: /^timeout$/,
  sentence: /says nothing, with TLS and without/,
  also: ({ port }) => {
    assert.equal(port.speaks, 'nothing');
    assert.equal(port.handshake, undefined);
  },
}));

const hangingUp: readonly Case[] = (['smtp', 'smtps'] as const).map((scheme) => ({
  name: `a port that hangs up at once, asked by ${scheme}://`,
  scheme,
  script: { mode: 'starttls', greeting: CLOSE },
  word: scheme === 'smtp' ? 'unreachable' : 'validation-failure',
  sentence: /takes the connection and hangs up at once/,
  also: ({ port }) => {
    assert.equal(port.speaks, 'hangs-up');
    assert.equal(port.handshake, undefined);
  },
}));

describe('The verdict of `sealpost check`', { concurrency: 4 }, () => {
  for (const one of [...certificates, ...beginnings, ...silent, ...hangingUp]) {
    test(`names ${one.name}, says what to change, and the exit code is 69`, async () => {
      const mode = one.scheme === 'smtps' ? 'implicit' : 'starttls';
      await using upstream = await ScriptedUpstream.start({ mode, identity: good, ...one.script });
      const checked = await check(`${one.scheme}://relay-user:${CANARY_PASSWORD}@localhost:${upstream.port}`);
      const { verdict } = checked.port;
      assert.equal(wordOf(verdict), one.word, checked.stdout);
      assert.match(verdict.reason ?? '', one.reason ?? /./);
      assert.match(verdict.sentence, one.sentence);
      if (one.hint !== undefined)
        assert.ok(
          verdict.sentence.includes(one.hint.replace('PORT', String(upstream.port))),
          verdict.sentence,
        );
      assert.equal(checked.code, 69);
      assert.equal(checked.diagnosis.delivers, false);
      one.also?.(checked, upstream);
      assertClearText(upstream);
      if (one.word.startsWith('certificate-')) assert.equal(upstream.secured, '');
    });
  }

  for (const [scheme, mode] of [
    ['smtps', 'implicit'],
    ['smtp', 'starttls'],
  ] as const) {
    test(`is "secured" for a good server behind ${scheme}://, with all that it offers, and the exit code is 0`, async () => {
      const keywords = [...GOOD_KEYWORDS, 'CHUNKING', 'REQUIRETLS'];
      const identity = authority.issue({ intermediate: true });
      await using upstream = await ScriptedUpstream.start({ mode, identity, keywords });
      const {
        port,
        code,
        upstream: found,
      } = await check(`${scheme}://relay-user:${CANARY_PASSWORD}@localhost:${upstream.port}`);
      assert.equal(code, 0);
      assert.equal(wordOf(port.verdict), 'secured');
      assert.equal(found.upstream, `${scheme}://localhost:${upstream.port}`);
      assert.deepEqual(port.secured?.offers, {
        auth: ['PLAIN', 'LOGIN'],
        requireTls: true,
        chunking: true,
        pipelining: true,
        eightBitMime: true,
        smtpUtf8: true,
        size: 52_428_800,
      });
      assert.deepEqual([port.secured.authenticatedBy, port.secured.name], ['pkix', 'localhost']);
      assert.equal(port.login.outcome, 'accepted');
      assert.equal(port.speaks, scheme === 'smtps' ? 'tls' : 'smtp');
      assert.equal(port.greeting, scheme === 'smtps' ? undefined : '220 upstream.test ESMTP');
      const { handshake } = port;
      assert.equal(handshake?.protocol, 'TLSv1.3');
      assert.equal(handshake.group, 'X25519MLKEM768');
      assert.equal(handshake.pin, authority.pin(identity));
      const [leaf, issuer, ...others] = handshake.certificates;
      assert.equal(others.length, 0);
      assert.ok(leaf !== undefined && leaf.names?.includes('DNS:localhost') === true);
      assert.equal(leaf.issuer, issuer?.subject);
      assert.equal(issuer?.issuer, 'CN=Sealpost test CA');
      assert.equal(leaf.notAfter, '2036-01-01T00:00:00.000Z');
      assert.ok(upstream.commands.includes('QUIT'), 'it takes leave');
      assert.ok(!upstream.commands.some((line) => line.startsWith('MAIL')), 'no mail is begun');
    });
  }

  test('names a host that does not exist', async () => {
    const { upstream, code } = await check('nowhere.invalid');
    assert.deepEqual(
      upstream.ports.map(({ port, tls, verdict }) => [port, tls, wordOf(verdict)]),
      [
        [465, 'implicit', 'dns'],
        [587, 'starttls', 'dns'],
      ],
    );
    assert.equal(code, 69);
  });

  test('refuses what serve would refuse: no REQUIRETLS where SEALPOST_REQUIRETLS=require', async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: good });
    const { port, code } = await check(upstream.url, { SEALPOST_REQUIRETLS: 'require' });
    assert.equal(wordOf(port.verdict), 'unsupported');
    assert.match(port.verdict.sentence, /set SEALPOST_REQUIRETLS to when-offered/);
    assert.equal(code, 69);
  });

  test('is about each upstream that is named, and about one at least of those configured', async () => {
    await using works = await ScriptedUpstream.start({ mode: 'implicit', identity: good });
    await using fails = await ScriptedUpstream.start({ mode: 'implicit', identity: stranger.issue() });
    const named = await runCheck([works.url, fails.url], TRUST);
    assert.equal(named.code, 69, named.stdout);
    const configured = await runCheck([], { ...TRUST, SEALPOST_UPSTREAM: `${fails.url},${works.url}` });
    assert.equal(configured.code, 0, configured.stdout);
    const none = await runCheck([], { ...TRUST, SEALPOST_UPSTREAM: fails.url });
    assert.equal(none.code, 69, none.stdout);
  });
});
