/**
 * Whatever an attempt learns, no recipient is forgotten, reported twice, or reported on where no report may be.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { afterAttempt, type Notice } from '../../../src/spool/after-attempt.ts';
import type { Attempt, Word } from '../../../src/spool/attempt.ts';
import {
  waitingRecipients,
  type SpooledMessage,
  type SpooledRecipient,
} from '../../../src/spool/spooled-message.ts';
import { plainPath, spooled } from '../../support/spool-place.ts';

const NOW = 1_000_000_000;

const code = fc.constantFrom(250, 251, 421, 450, 452, 550, 555);
const word: fc.Arbitrary<Word> = fc.record({
  reply: code.map((one) => ({ code: one, lines: ['said'] })),
  isUpstreams: fc.boolean(),
  mayHaveIt: fc.boolean(),
});
const notify = fc.constantFrom(undefined, 'NEVER', 'FAILURE', 'DELAY', 'SUCCESS,FAILURE', 'success,delay');
const recipient: fc.Arbitrary<SpooledRecipient> = fc.record({
  argument: notify.map((value) => ({
    ...plainPath('<b@y.test>'),
    parameters: value === undefined ? [] : [{ keyword: 'NOTIFY', value, text: `NOTIFY=${value}` }],
  })),
  state: fc.constantFrom('waiting', 'delivered', 'failed'),
  lastWord: fc.constant({ reply: { code: 451, lines: ['before'] }, isUpstreams: false }),
  mayHaveIt: fc.boolean(),
});
const message: fc.Arbitrary<SpooledMessage> = fc
  .record({
    kind: fc.constantFrom('mail', 'bounce'),
    sender: fc.constantFrom('<a@x.test>', '<>').map(plainPath),
    recipients: fc.array(recipient, { minLength: 1, maxLength: 5 }),
    arrivedAt: fc.integer({ min: NOW - 20_000_000, max: NOW }),
    expiresAt: fc.integer({ min: NOW - 10, max: NOW + 10 }),
    attempts: fc.integer({ min: 1, max: 100 }),
    isDelayTold: fc.boolean(),
  })
  .map((changes) => ({ ...spooled('one', 1), ...changes }));

/** A message, and an attempt that learnt something about some of those who waited. */
const tried = message.chain((before) => {
  const waiting = before.recipients.filter(({ state }) => state === 'waiting');
  return fc
    .tuple(fc.array(fc.option(word), { minLength: waiting.length, maxLength: waiting.length }), fc.boolean())
    .map(([words, isReporting]) => {
      const learnt = waiting.flatMap((one, at): readonly (readonly [SpooledRecipient, Word])[] => {
        const said = words[at] ?? undefined;
        return said === undefined ? [] : [[one, said]];
      });
      const attempt: Attempt = {
        words: new Map(learnt),
        failure: undefined,
        hid: 'h',
        isReporting,
        isSevenBit: false,
      };
      return { before, attempt };
    });
});

test('forgets no recipient, and touches none that was settled', () => {
  fc.assert(
    fc.property(tried, ({ before, attempt }) => {
      const { message: after, isDone } = afterAttempt(before, attempt, NOW);
      assert.equal(after.recipients.length, before.recipients.length);
      for (const old of before.recipients) {
        const fresh = after.recipients.find(({ argument }) => argument === old.argument);
        assert.ok(fresh !== undefined);
        if (old.state !== 'waiting') assert.deepEqual(fresh, old);
        if (old.mayHaveIt && fresh.state === 'waiting') assert.equal(fresh.mayHaveIt, true);
      }
      assert.equal(
        isDone,
        after.recipients.every(({ state }) => state !== 'waiting'),
      );
      assert.ok(after.nextAttemptAt >= NOW);
    }),
  );
});

test('puts who was asked behind who was not, and whoever was first behind all', () => {
  fc.assert(
    fc.property(tried, ({ before, attempt }) => {
      const { message: after } = afterAttempt(before, attempt, NOW);
      const [first, ...others] = waitingRecipients(before);
      const asked = others.filter((one) => attempt.words.has(one));
      const unasked = others.filter((one) => !attempt.words.has(one));
      const turns = [...unasked, ...asked, ...(first === undefined ? [] : [first])];
      const waited = new Set(turns.map(({ argument }) => argument));
      assert.deepEqual(
        after.recipients.map(({ argument }) => argument).filter((one) => waited.has(one)),
        turns.map(({ argument }) => argument),
      );
    }),
  );
});

test('never reports on a report, nor to nobody', () => {
  fc.assert(
    fc.property(tried, ({ before, attempt }) => {
      const { notices } = afterAttempt(before, attempt, NOW);
      if (before.kind === 'bounce' || before.sender.path === '<>') assert.deepEqual(notices, []);
    }),
  );
});

test('tells of each recipient what he was to be told of, once, and never of one who wants nothing', () => {
  fc.assert(
    fc.property(tried, ({ before, attempt }) => {
      const first = afterAttempt(before, attempt, NOW);
      const silent: Attempt = { ...attempt, words: new Map() };
      const again = afterAttempt(first.message, silent, NOW);
      assert.deepEqual(again.notices, []);
      for (const { recipient: one, action } of first.notices) {
        assert.notEqual(one.argument.parameters[0]?.value, 'NEVER');
        assert.equal(one.state, STATE_OF[action]);
      }
      assert.equal(new Set(first.notices.map(({ recipient: one }) => one)).size, first.notices.length);
    }),
  );
});

const STATE_OF: { readonly [A in Notice['action']]: SpooledRecipient['state'] } = {
  failed: 'failed',
  delayed: 'waiting',
  relayed: 'delivered',
};
