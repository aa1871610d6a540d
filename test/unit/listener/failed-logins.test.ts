/**
 * How often clients may fail to log in.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FailedLogins } from '../../../src/listener/failed-logins.ts';
import type { Proof } from '../../../src/listener/sasl-exchange.ts';
import { Secret } from '../../../src/protocol/secret.ts';

const MANY = 200;
const MINUTE = 60_000;

function by(user: string, password = 'a password'): Proof {
  return { by: 'password', user, password: new Secret(password) };
}

function failOften(logins: FailedLogins, address: string, guess: (count: number) => Proof): void {
  for (let count = 0; count < MANY; count += 1) {
    const proof = guess(count);
    if (logins.admits(address, proof)) logins.failed(address, proof);
  }
}

const sameName = (count: number): Proof => by('broken', `guess${count}`);
const eachItsName = (count: number): Proof => by(`guess${count}`);

test('looks no more at a name that failed often from an address, and again after a while', () => {
  let now = 0;
  const logins = new FailedLogins(() => now);
  assert.equal(logins.admits('192.0.2.1', by('broken')), true);
  failOften(logins, '192.0.2.1', sameName);
  assert.equal(logins.admits('192.0.2.1', by('broken')), false);
  now = 11 * MINUTE;
  assert.equal(logins.admits('192.0.2.1', by('broken')), true);
});

test('shuts out nobody else because one client fails on and on', () => {
  const logins = new FailedLogins();
  failOften(logins, '127.0.0.1', sameName);
  assert.equal(logins.admits('127.0.0.1', by('new')), true);
  assert.equal(logins.admits('192.0.2.1', by('broken')), true);
});

test('looks no more at one password that failed often, and lets in who has the right one for that name', () => {
  const logins = new FailedLogins();
  for (const stale of ['stale', 'older', 'oldest']) failOften(logins, '127.0.0.1', () => by('app', stale));
  assert.equal(logins.admits('127.0.0.1', by('app', 'stale')), false);
  assert.equal(logins.admits('127.0.0.1', by('app', 'right')), true);
  assert.equal(logins.admits('192.0.2.1', by('app', 'stale')), true);
});

test('counts a digest as another one each time', () => {
  const logins = new FailedLogins();
  const digest: Proof = { by: 'digest', user: 'broken', challenge: 'c', digest: 'd' };
  failOften(logins, '127.0.0.1', () => digest);
  assert.equal(logins.admits('127.0.0.1', digest), false);
  assert.equal(logins.admits('127.0.0.1', by('broken')), false);
});

test('looks no more at an address from which many names failed, and again after a while', () => {
  let now = 0;
  const logins = new FailedLogins(() => now);
  failOften(logins, '192.0.2.1', eachItsName);
  assert.equal(logins.admits('192.0.2.1', by('another')), false);
  assert.equal(logins.admits('192.0.2.2', by('another')), true);
  now = 11 * MINUTE;
  assert.equal(logins.admits('192.0.2.1', by('another')), true);
});

test('lets a name in that has logged in from the address before, however many others fail there', () => {
  const logins = new FailedLogins();
  logins.succeeded('127.0.0.1', by('cron'));
  failOften(logins, '127.0.0.1', eachItsName);
  assert.equal(logins.admits('127.0.0.1', by('cron')), true);
  assert.equal(logins.admits('127.0.0.1', by('another')), false);
});

test('bounds guesses at the password of such a name too', () => {
  const logins = new FailedLogins();
  logins.succeeded('127.0.0.1', by('cron'));
  failOften(logins, '127.0.0.1', (count) => by('cron', `guess${count}`));
  assert.equal(logins.admits('127.0.0.1', by('cron')), false);
});

test('counts an IPv6 network of 64 bits as one', () => {
  const logins = new FailedLogins();
  for (let host = 1; host <= MANY; host += 1)
    logins.failed(`2001:db8::${host.toString(16)}`, by(`guess${host}`));
  assert.equal(logins.admits('2001:db8:0:0:ffff::1', by('a')), false);
  assert.equal(logins.admits('2001:db8:0:1::1', by('a')), true);
});

test('remembers a bounded number of addresses', () => {
  const logins = new FailedLogins();
  failOften(logins, '192.0.2.1', eachItsName);
  for (let count = 0; count < 10_000; count += 1) logins.failed(`10.0.${count >> 8}.${count & 255}`, by('a'));
  assert.equal(logins.admits('192.0.2.1', by('another')), true);
});
