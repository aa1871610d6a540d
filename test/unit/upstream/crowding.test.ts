/**
 * What an upstream says when it has too many sessions of ours, and what only sounds like it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Failure } from '../../../src/protocol/failure.ts';
import { refusesMessageBesideOthers, refusesSession } from '../../../src/upstream/crowding.ts';

function refused(code: number, text: string): Failure {
  return { kind: 'refused', phase: 'final', reply: { code, lines: [text] } };
}

for (const [code, text] of [
  [432, '4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded'],
  [421, '4.7.0 Too many concurrent SMTP connections'],
  [450, '4.7.1 Error: too many connections from 192.0.2.1'],
  [451, '4.3.2 Concurrent connections limit exceeded'],
] as const) {
  test(`takes ${code} "${text}" for a word about sessions`, () => {
    assert.ok(refusesMessageBesideOthers(refused(code, text)));
  });
}

for (const [code, text] of [
  [452, '4.5.3 Too many recipients'],
  [451, '4.7.1 Too many messages, slow down'],
  [450, '4.2.2 Mailbox full'],
  [550, '5.7.1 Too many connections'],
] as const) {
  test(`does not take ${code} "${text}" for one`, () => {
    assert.ok(!refusesMessageBesideOthers(refused(code, text)));
  });
}

test('believes of sessions what was said inside TLS only', () => {
  const reply = { code: 421, lines: ['4.7.0 Too many sessions'] };
  const at = { kind: 'session-refused', phase: 'greeting', reply } as const;
  assert.ok(refusesSession({ ...at, isInsideTls: true }));
  assert.ok(!refusesSession({ ...at, isInsideTls: false }));
});
