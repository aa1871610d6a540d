import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClientLimits, type ClientLimitOptions } from '../../../src/listener/client-limits.ts';

const NONE = { remote: Infinity, loopback: Infinity };

function limits(options: Partial<ClientLimitOptions>): ClientLimits {
  return new ClientLimits({
    clients: 1_000,
    clientsOfOne: NONE,
    messages: NONE,
    recipients: NONE,
    ...options,
  });
}

test('has so many places and no more, and gives back what is left', () => {
  const two = limits({ clients: 2 });
  assert.equal(two.enter(), undefined);
  assert.equal(two.enter(), undefined);
  assert.equal(two.enter()?.reply.code, 421);
  two.leave();
  assert.equal(two.enter(), undefined);
});

test('counts the places of each address, and of an IPv6 network as one', () => {
  const one = limits({ clientsOfOne: { remote: 1, loopback: Infinity } });
  assert.equal(one.enterFrom('192.0.2.1'), undefined);
  assert.equal(one.enterFrom('192.0.2.1')?.limit, 'clients-of-one-address');
  assert.equal(one.enterFrom('192.0.2.2'), undefined);
  assert.equal(one.enterFrom('2001:db8::1'), undefined);
  assert.equal(one.enterFrom('2001:db8::2')?.limit, 'clients-of-one-address');
  assert.equal(one.enterFrom('2001:db8:0:1::2'), undefined);
  one.leaveFrom('2001:db8::1');
  assert.equal(one.enterFrom('2001:db8::2'), undefined);
});

test('has another limit for loopback, whose programs share an address', () => {
  const one = limits({ clientsOfOne: { remote: 1, loopback: 2 } });
  for (const address of ['127.0.0.1', '127.0.0.1', '::ffff:127.0.0.2', '::ffff:127.0.0.2'])
    assert.equal(one.enterFrom(address), undefined);
  assert.notEqual(one.enterFrom('127.0.0.1'), undefined);
});

test('counts an IPv4 address as one, whichever way a socket says it', () => {
  const one = limits({ clientsOfOne: { remote: 1, loopback: Infinity } });
  assert.equal(one.enterFrom('::ffff:192.0.2.1'), undefined);
  assert.equal(one.enterFrom('192.0.2.1')?.limit, 'clients-of-one-address');
});

test('counts messages and recipients apart, and tells how long to wait', async () => {
  const few = limits({
    messages: { remote: 2, loopback: Infinity },
    recipients: { remote: 1, loopback: Infinity },
  });
  const client = { address: '192.0.2.1', user: undefined };
  assert.equal(await few.message(client), undefined);
  assert.equal(await few.message(client), undefined);
  const over = await few.message(client);
  assert.equal(over?.reply.code, 451);
  assert.match(over?.reply.lines.join(' ') ?? '', /the 2 messages .* in \d+ s\.$/);
  assert.equal(await few.recipient(client), undefined);
  assert.equal((await few.recipient(client))?.limit, 'recipients');
  assert.equal(await few.message({ ...client, address: '192.0.2.2' }), undefined);
  assert.equal(await few.message({ address: '127.0.0.1', user: undefined }), undefined);
});

test('counts a user wherever it comes from, and not the address that users share', async () => {
  const one = limits({ messages: { remote: 1, loopback: 1 } });
  assert.equal(await one.message({ address: '192.0.2.1', user: 'a' }), undefined);
  assert.equal(await one.message({ address: '192.0.2.1', user: 'b' }), undefined);
  assert.equal((await one.message({ address: '192.0.2.2', user: 'a' }))?.limit, 'messages');
});

test('tells of a limit once a minute, not with every client that reaches it', async () => {
  const one = limits({ clients: 0, messages: { remote: 1, loopback: 1 } });
  assert.deepEqual([one.enter()?.isFirst, one.enter()?.isFirst], [true, false]);
  const client = { address: '192.0.2.1', user: undefined };
  await one.message(client);
  assert.deepEqual(
    [(await one.message(client))?.isFirst, (await one.message(client))?.isFirst],
    [true, false],
  );
});
