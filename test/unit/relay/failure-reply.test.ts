import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Failure } from '../../../src/protocol/failure.ts';
import type { Reply } from '../../../src/protocol/reply.ts';
import { failureReply } from '../../../src/relay/failure-reply.ts';

const said = (code: number, ...lines: string[]): Reply => ({ code, lines });
const refused = (reply: Reply): Failure => ({ kind: 'refused', phase: 'rcpt', reply });
const tls = (resultType: (Failure & { kind: 'tls' })['resultType'], reason = 'x'): Failure => ({
  kind: 'tls',
  phase: 'handshake',
  resultType,
  reason,
});

/** The failure table of docs/DESIGN.md. */
const TABLE: readonly [Failure, string][] = [
  [tls('starttls-not-supported'), '451 4.7.4'],
  [tls('certificate-host-mismatch'), '451 4.7.5'],
  [tls('certificate-expired'), '451 4.7.5'],
  [tls('certificate-not-trusted'), '451 4.7.5'],
  [tls('validation-failure', 'pin-mismatch'), '451 4.7.5'],
  [tls('tlsa-invalid', 'tlsa-mismatch'), '451 4.7.5'],
  [tls('dnssec-invalid', 'dns-bogus'), '451 4.7.5'],
  [tls('dnssec-invalid', 'dns-timeout'), '451 4.7.5'],
  [tls('dane-required', 'no-tlsa-record'), '451 4.7.5'],
  [
    { kind: 'session-refused', isInsideTls: true, phase: 'greeting', reply: said(554, 'go away') },
    '451 4.4.1',
  ],
  [{ kind: 'unsupported', extension: 'REQUIRETLS' }, '550 5.7.30'],
  [{ kind: 'unsupported', extension: '8BITMIME' }, '554 5.6.3'],
  [{ kind: 'unsupported', extension: 'SMTPUTF8' }, '553 5.6.7'],
  [{ kind: 'unknown-parameter', keyword: 'FOO' }, '555 5.5.4'],
  [{ kind: 'refused', phase: 'rcpt', reply: said(421, '4.3.2 closing') }, '451 4.3.2'],
  [{ kind: 'auth', phase: 'auth', reason: '535', reply: said(535, '5.7.8 no') }, '454 4.7.0'],
  [{ kind: 'auth', phase: 'auth', reason: 'no-common-mechanism' }, '454 4.7.0'],
  [
    { kind: 'auth', phase: 'auth', reason: 'server-signature-wrong', mechanism: 'SCRAM-SHA-256' },
    '454 4.7.0',
  ],
  [{ kind: 'auth', phase: 'auth', reason: 'password-not-preparable' }, '454 4.7.0'],
  [{ kind: 'protocol', phase: 'ehlo', reason: 'bad-code' }, '451 4.5.0'],
  [{ kind: 'unreachable', phase: 'connect', reason: 'ECONNREFUSED' }, '451 4.4.1'],
  [{ kind: 'unreachable', phase: 'greeting', reason: 'timeout' }, '451 4.4.1'],
  [{ kind: 'dns', phase: 'resolve', reason: 'ENOTFOUND' }, '451 4.4.3'],
  [{ kind: 'dns', phase: 'resolve', reason: 'no-srv-record' }, '451 4.4.3'],
  [{ kind: 'dns', phase: 'resolve', reason: 'service-not-offered' }, '451 4.4.3'],
  [{ kind: 'dns', phase: 'resolve', reason: 'servfail' }, '451 4.4.3'],
  [{ kind: 'lost', phase: 'mail', reason: 'timeout' }, '451 4.4.2'],
  [{ kind: 'outcome-unknown', phase: 'final', reason: 'timeout' }, '451 4.4.2'],
  [{ kind: 'policy', subject: 'client', reason: 'You may not send here.' }, '550 5.7.1'],
  [{ kind: 'too-big', maxOctets: 9 }, '552 5.3.4'],
  [{ kind: 'hop-loop' }, '554 5.4.6'],
  [{ kind: 'malformed-message', reason: 'stray-line-ending' }, '554 5.6.0'],
  [{ kind: 'capacity', reason: 'Too many at once; later.' }, '451 4.4.5'],
  [{ kind: 'spool', reason: 'full' }, '452 4.3.1'],
  [{ kind: 'spool-content', reason: 'EIO' }, '451 4.3.0'],
];

test('answers each failure with the codes of the table and one line of text', () => {
  for (const [failure, codes] of TABLE) {
    const { code, lines } = failureReply(failure, 'temporary');
    assert.equal(`${code} ${lines[0]?.split(' ', 1)[0]}`, codes, JSON.stringify(failure));
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^\d\.\d\.\d+ [A-Z].{10,}/);
  }
});

test('says of what could not be kept that it may be delivered, where nobody knows', () => {
  const known = failureReply({ kind: 'spool', reason: 'x' }, 'temporary');
  const unknown = failureReply({ kind: 'spool', reason: 'x', mayBeDelivered: true }, 'temporary');
  assert.doesNotMatch(known.lines.join(' '), /delivered/);
  assert.match(unknown.lines.join(' '), /may have been delivered already/);
});

test('names the client certificate where the upstream refuses it, before the greeting and after', () => {
  const reason = 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED';
  const failures: readonly Failure[] = [
    { kind: 'unreachable', phase: 'greeting', reason, isInsideTls: true },
    { kind: 'lost', phase: 'ehlo', reason },
  ];
  for (const failure of failures) {
    const [line = ''] = failureReply(failure, 'temporary').lines;
    assert.match(line, /SEALPOST_TLS_CLIENT_CERT_FILE/);
    assert.doesNotMatch(line, /smtps:/);
  }
});

test('answers a hop that cannot be secured with 550 5.7.10 where the operator wants it', () => {
  for (const [failure] of TABLE.filter(([{ kind }]) => kind === 'tls')) {
    const { code, lines } = failureReply(failure, 'permanent');
    assert.equal(`${code} ${lines[0]?.split(' ', 1)[0]}`, '550 5.7.10');
  }
});

test('mirrors a refusal with all its lines, and drops an enhanced code of another class', () => {
  const whole = said(550, '5.1.1 no such user', '5.1.1 ask postmaster');
  assert.deepEqual(failureReply(refused(whole), 'temporary'), whole);
  assert.deepEqual(failureReply(refused(said(450, 'busy')), 'temporary'), said(450, 'busy'));
  assert.deepEqual(
    failureReply(refused(said(450, '5.1.1 odd', '4.2.1 fine')), 'temporary'),
    said(450, 'odd', '4.2.1 fine'),
  );
});
