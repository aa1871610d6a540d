/**
 * How often clients may fail to log in.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FailedLogins } from '../../../src/listener/failed-logins.ts';

const MANY = 200;
const MINUTE = 60_000;

function failOften(logins: FailedLogins, address: string, nameOf: (count: number) => string): void {
  for (let count = 0; count < MANY; count += 1) {
    const user = nameOf(count);
    if (logins.admits(address, user)) logins.failed(address, user);
  }
}

const sameName = (): string => 'broken';
const eachItsName = (count: number): string => `guess${count}`;

test('looks no more at a name that failed often from an address, and again after a while', () => {
  let now = 0;
  const logins = new FailedLogins(() => now);
  assert.equal(logins.admits('192.0.2.1', 'broken'), true);
  failOften(logins, '192.0.2.1', sameName);
  assert.equal(logins.admits('192.0.2.1', 'broken'), false);
  now = 11 * MINUTE;
  assert.equal(logins.admits('192.0.2.1', 'broken'), true);
});

test('shuts out nobody else because one client fails on and on', () => {
  const logins = new FailedLogins();
  failOften(logins, '127.0.0.1', sameName);
  assert.equal(logins.admits('127.0.0.1', 'new'), true);
  assert.equal(logins.admits('192.0.2.1', 'broken'), true);
});

test('looks no more at an address from which many names failed, and again after a while', () => {
  let now = 0;
  const logins = new FailedLogins(() => now);
  failOften(logins, '192.0.2.1', eachItsName);
  assert.equal(logins.admits('192.0.2.1', 'another'), false);
  assert.equal(logins.admits('192.0.2.2', 'another'), true);
  now = 11 * MINUTE;
  assert.equal(logins.admits('192.0.2.1', 'another'), true);
});

test('lets a name in that has logged in from the address before, however many others fail there', () => {
  const logins = new FailedLogins();
  logins.succeeded('127.0.0.1', 'cron');
  failOften(logins, '127.0.0.1', eachItsName);
  assert.equal(logins.admits('127.0.0.1', 'cron'), true);
  assert.equal(logins.admits('127.0.0.1', 'another'), false);
});

test('bounds guesses at the password of such a name too', () => {
  const logins = new FailedLogins();
  logins.succeeded('127.0.0.1', 'cron');
  failOften(logins, '127.0.0.1', () => 'cron');
  assert.equal(logins.admits('127.0.0.1', 'cron'), false);
});

test('counts an IPv6 network of 64 bits as one', () => {
  const logins = new FailedLogins();
  for (let host = 1; host <= MANY; host += 1) logins.failed(`2001:db8::${host.toString(16)}`, `guess${host}`);
  assert.equal(logins.admits('2001:db8:0:0:ffff::1', 'a'), false);
  assert.equal(logins.admits('2001:db8:0:1::1', 'a'), true);
});

test('remembers a bounded number of addresses', () => {
  const logins = new FailedLogins();
  failOften(logins, '192.0.2.1', eachItsName);
  for (let count = 0; count < 10_000; count += 1) logins.failed(`10.0.${count >> 8}.${count & 255}`, 'a');
  assert.equal(logins.admits('192.0.2.1', 'another'), true);
});
