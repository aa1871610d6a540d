import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionPace } from '../../../src/listener/session-pace.ts';

const OPTIONS = { leastRate: 100, longestTransactionMs: 3_600_000 };
const SECOND = 1_000;
const MINUTE = 60_000;

test('gives a client five minutes for a command, however many octets of it drip in', () => {
  const pace = new SessionPace(OPTIONS, 0);
  assert.equal(pace.fault(5 * MINUTE), undefined);
  assert.equal(pace.fault(5 * MINUTE + 1), 'slow-command');
  pace.command('NOOP', 4 * MINUTE);
  assert.equal(pace.fault(9 * MINUTE), undefined);
  assert.equal(pace.fault(9 * MINUTE + 1), 'slow-command');
});

test('does not count the time that the client waits for the relay', () => {
  const pace = new SessionPace(OPTIONS, 0);
  pace.command('MAIL', 0);
  pace.working(0);
  assert.equal(pace.fault(20 * MINUTE), undefined);
  pace.waiting(20 * MINUTE);
  assert.equal(pace.fault(25 * MINUTE), undefined);
  assert.equal(pace.fault(25 * MINUTE + 1), 'slow-command');
});

test('cuts content off that comes too slowly, and not before five minutes have passed', () => {
  const pace = new SessionPace(OPTIONS, 0);
  pace.contentBegan();
  pace.received(10);
  assert.equal(pace.fault(5 * MINUTE), undefined);
  assert.equal(pace.fault(5 * MINUTE + SECOND), 'slow-content');
});

test('lets content be as slow as the upstream is', () => {
  const pace = new SessionPace(OPTIONS, 0);
  pace.contentBegan();
  for (let minute = 0; minute < 30; minute += 1) {
    pace.received(600); // 10 octets a second, of which the client took one second
    pace.working(minute * MINUTE + SECOND);
    pace.waiting((minute + 1) * MINUTE);
    assert.equal(pace.fault((minute + 1) * MINUTE), undefined);
  }
});

test('takes the mean over the whole content: who was fast may pause', () => {
  const pace = new SessionPace(OPTIONS, 0);
  pace.contentBegan();
  pace.received(100_000);
  assert.equal(pace.fault(999 * SECOND), undefined);
  assert.equal(pace.fault(1_001 * SECOND), 'slow-content');
});

test('ends a transaction that takes too long, from its MAIL on', () => {
  const pace = new SessionPace({ ...OPTIONS, longestTransactionMs: 10 * SECOND }, 0);
  pace.transaction(true, 5 * SECOND);
  pace.transaction(true, 14 * SECOND);
  assert.equal(pace.fault(15 * SECOND), undefined);
  assert.equal(pace.fault(16 * SECOND), 'long-transaction');
  pace.transaction(false, 16 * SECOND);
  assert.equal(pace.fault(16 * SECOND), undefined);
});

test('lets nobody talk for ever without a message; the recipients of one message are no idle talk', () => {
  const pace = new SessionPace(OPTIONS, 0);
  for (let count = 0; count < 1_000; count += 1) pace.command('NOOP', 0);
  for (let count = 0; count < 20_000; count += 1) pace.command('RCPT', 0);
  assert.equal(pace.fault(0), undefined);
  const other = new SessionPace(OPTIONS, 0);
  for (let count = 0; count <= 20_000; count += 1) other.command('RCPT', 0);
  assert.equal(other.fault(0), 'idle-commands');
  pace.contentBegan();
  pace.contentEnded(true);
  for (let count = 0; count < 1_000; count += 1) pace.command('RSET', 0);
  assert.equal(pace.fault(0), undefined);
  pace.contentBegan();
  pace.contentEnded(false);
  pace.command('RSET', 0);
  assert.equal(pace.fault(0), 'idle-commands');
});

test('does not count the time that commands wait for those before them', () => {
  const pace = new SessionPace(OPTIONS, 0);
  pace.command('RCPT', 0);
  pace.working(0);
  pace.command('RCPT', SECOND);
  pace.command('DATA', SECOND);
  assert.equal(pace.fault(10 * MINUTE), undefined);
});

test('does not count against a transaction that the upstream is slow', () => {
  const pace = new SessionPace({ ...OPTIONS, leastRate: 0, longestTransactionMs: 10 * SECOND }, 0);
  pace.transaction(true, 0);
  pace.contentBegan();
  for (let minute = 0; minute < 10; minute += 1) {
    pace.working(minute * MINUTE);
    pace.waiting((minute + 1) * MINUTE - SECOND);
    pace.transaction(true, (minute + 1) * MINUTE);
    assert.equal(pace.fault((minute + 1) * MINUTE), undefined);
  }
  assert.equal(pace.fault(10 * MINUTE + SECOND), 'long-transaction');
});

test('gives each message its own time, however soon it follows the one before', () => {
  const pace = new SessionPace({ ...OPTIONS, longestTransactionMs: 10 * SECOND }, 0);
  for (let at = 0; at < MINUTE; at += 5 * SECOND) {
    pace.transaction(true, at);
    assert.equal(pace.fault(at), undefined);
    pace.contentBegan();
    pace.contentEnded(true);
  }
});
