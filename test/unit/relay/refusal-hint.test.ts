import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { failureReply } from '../../../src/relay/failure-reply.ts';
import { hintFor, withHint } from '../../../src/relay/refusal-hint.ts';
import type { RefusalHint } from '../../../src/upstream/target.ts';

const AT_AUTH: RefusalHint = { phases: ['auth'], enhanced: '5.7.30', text: /basic/i, sentence: 'At AUTH.' };
const BY_CODE: RefusalHint = { code: 550, sentence: 'By code.' };
const REFUSAL = { code: 550, lines: ['5.7.30 Basic authentication is not', '5.7.30 supported'] };

suite('the hint for a refusal', () => {
  test('is the first of which everything fits', () => {
    assert.equal(hintFor({ reply: REFUSAL, phase: 'auth' }, [AT_AUTH, BY_CODE]), 'At AUTH.');
    assert.equal(hintFor({ reply: REFUSAL, phase: 'mail' }, [AT_AUTH, BY_CODE]), 'By code.');
    assert.equal(hintFor({ reply: REFUSAL, phase: 'mail' }, [AT_AUTH]), undefined);
    assert.equal(
      hintFor({ reply: { code: 550, lines: ['5.7.30 REQUIRETLS'] }, phase: 'auth' }, [AT_AUTH]),
      undefined,
    );
    assert.equal(
      hintFor({ reply: { code: 550, lines: ['5.7.3 Basic'] }, phase: 'auth' }, [AT_AUTH]),
      undefined,
    );
  });

  test('looks through all lines', () => {
    const over = { text: /is not supported/, sentence: 'Over two lines.' };
    const lines = ['Basic authentication is not', 'supported'];
    assert.equal(hintFor({ reply: { code: 550, lines }, phase: 'auth' }, [over]), 'Over two lines.');
  });

  test('tells a refused password from a refused token', () => {
    const hints = [
      { login: 'password', sentence: 'A password.' },
      { login: 'token', sentence: 'A token.' },
    ] as const;
    const hint = (mechanism?: string): string | undefined =>
      hintFor({ reply: REFUSAL, phase: 'auth', mechanism }, hints);
    assert.deepEqual(['SCRAM-SHA-256', 'LOGIN'].map(hint), ['A password.', 'A password.']);
    assert.deepEqual(['XOAUTH2', 'OAUTHBEARER'].map(hint), ['A token.', 'A token.']);
    assert.deepEqual([hint('EXTERNAL'), hint()], [undefined, undefined]);
  });

  test('is for refusals only', () => {
    assert.equal(
      hintFor({ reply: { code: 250, lines: ['2.0.0 Ok'] }, phase: 'final' }, [{ sentence: 'Anything.' }]),
      undefined,
    );
    assert.equal(hintFor({ reply: REFUSAL, phase: 'final' }, undefined), undefined);
  });

  test('is one line more, with the same codes', () => {
    assert.deepEqual(withHint(REFUSAL, 'Help.'), { code: 550, lines: [...REFUSAL.lines, '5.7.30 Help.'] });
    assert.deepEqual(withHint({ code: 535, lines: ['Authentication Failed'] }, 'Help.'), {
      code: 535,
      lines: ['Authentication Failed', 'Help.'],
    });
    assert.equal(withHint(REFUSAL, undefined), REFUSAL);
  });
});

suite('the reply to a failure has the hint', () => {
  test("behind the upstream's words where they are passed on", () => {
    const reply = failureReply({ kind: 'refused', phase: 'mail', reply: REFUSAL }, 'temporary', [BY_CODE]);
    assert.deepEqual(reply, { code: 550, lines: [...REFUSAL.lines, '5.7.30 By code.'] });
  });

  test('behind ours where the login was refused, found by what the upstream said', () => {
    const failure = {
      kind: 'auth',
      phase: 'auth',
      reason: '550',
      reply: REFUSAL,
      mechanism: 'LOGIN',
    } as const;
    const { code, lines } = failureReply(failure, 'temporary', [AT_AUTH]);
    assert.equal(code, 454);
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /^4\.7\.0 .*550 5\.7\.30 Basic/);
    assert.equal(lines[1], '4.7.0 At AUTH.');
  });

  test('not where the session was refused in clear, where anybody may have said so', () => {
    const hints = [{ sentence: 'Anything.' }];
    const lines = (isInsideTls: boolean): number =>
      failureReply(
        { kind: 'session-refused', phase: 'greeting', reply: REFUSAL, isInsideTls },
        'temporary',
        hints,
      ).lines.length;
    assert.deepEqual([lines(false), lines(true)], [1, 2]);
  });

  test('not where nothing was said', () => {
    const failure = { kind: 'lost', phase: 'mail', reason: 'ECONNRESET' } as const;
    assert.equal(failureReply(failure, 'temporary', [{ sentence: 'Anything.' }]).lines.length, 1);
  });
});
