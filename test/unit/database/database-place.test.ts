/**
 * Which databases can be named, and how each is reached.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { parseDatabasePlace, showDatabasePlace } from '../../../src/database/database-place.ts';

function wayOf(text: string): unknown {
  return parseDatabasePlace(text).way;
}

test('goes in clear to loopback and to sockets of this machine, and nowhere else', () => {
  const socket = { kind: 'socket', path: '/run/postgresql/.s.PGSQL.5432' };
  assert.deepEqual(wayOf('postgres://u@/d?host=/run/postgresql'), socket);
  assert.deepEqual(wayOf('postgres://u:p@%2Frun%2Fpostgresql%2F/d'), socket);
  assert.deepEqual(wayOf('postgres://u@localhost/d'), {
    kind: 'loopback',
    addresses: ['127.0.0.1', '::1'],
    port: 5432,
  });
  assert.deepEqual(wayOf('postgresql://u@[::1]:1/d'), { kind: 'loopback', addresses: ['::1'], port: 1 });
  for (const host of ['db.example', '10.0.0.1', '[fe80::1]', 'localhost.example', '128.0.0.1', '0.0.0.0'])
    assert.match(inspect(wayOf(`postgres://u:p@${host}/d`)), /kind: 'tls'/, host);
});

test('speaks TLS on loopback when it is asked to', () => {
  assert.deepEqual(wayOf('postgres://u@localhost/d?sslmode=verify-full'), {
    kind: 'tls',
    reference: { kind: 'dns', name: 'localhost' },
    port: 5432,
  });
});

for (const [what, text] of [
  ['sslmode=disable', 'postgres://u:canary@db.example/d?sslmode=disable'],
  ['sslmode=require', 'postgres://u:canary@db.example/d?sslmode=require'],
  ['sslmode=no-verify', 'postgres://u:canary@localhost/d?sslmode=no-verify'],
  ['an authority of its own', 'postgres://u:canary@db.example/d?sslrootcert=/x'],
  ['a host behind ? that is no directory', 'postgres://u:canary@/d?host=db.example'],
  ['two hosts', 'postgres://u:canary@a.example,b.example/d'],
  ['two places', 'postgres://u:canary@db.example/d?host=/run'],
  ['no user', 'postgres://db.example/d'],
  ['no host', 'postgres://u:canary@/d'],
  ['a password that is not encoded', 'postgres://u:can/ary@db.example/d'],
  ['a port of nobody', 'postgres://u:canary@db.example:0/d'],
  ['a % without digits', 'postgres://u:canary%@db.example/d'],
] as const) {
  test(`refuses ${what}, and repeats nothing of it`, () => {
    assert.throws(
      () => parseDatabasePlace(text),
      (error) =>
        error instanceof Error && error.message.startsWith('should') && !inspect(error).includes('can'),
    );
  });
}

test('reads what is percent-encoded, and shows no password', () => {
  const password = 'p@ss/w:rd%\'"\\ü';
  const place = parseDatabasePlace(`postgres://us%40er:${encodeURIComponent(password)}@db.example/d%2F1`);
  assert.equal(place.password?.reveal(), password);
  assert.equal(place.user, 'us@er');
  assert.equal(place.database, 'd/1');
  assert.equal(showDatabasePlace(place), 'postgres://us%40er:[secret]@db.example:5432/d%2F1');
});
