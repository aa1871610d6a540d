/**
 * What systemd is told, by the real systemd-notify over a real socket. No systemd runs here: what it makes of it is not
 * tried.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { NotifySocket } from '../support/peers/notify-socket.ts';
import { TestAuthority } from '../support/pki.ts';
import { runSealpost } from '../support/relay-process.ts';

const LIMIT = { timeout: 60_000 };
const authority = new TestAuthority();
after(() => authority.remove());

for (const workers of ['1', '2']) {
  test(
    `tells systemd when it is ready, reloads and stops, SEALPOST_WORKERS=${workers}`,
    LIMIT,
    async ({ signal }) => {
      await using socket = await NotifySocket.open(signal);
      const routes = join(authority.directory, `routes-${workers}`);
      writeFileSync(routes, 'from=<> -> refuse\n');
      await using relay = runSealpost(['serve'], {
        SEALPOST_UPSTREAM: 'smtps://mail.example.test',
        SEALPOST_LISTEN: '127.0.0.1:0',
        SEALPOST_HOSTNAME: 'relay.example.test',
        SEALPOST_WORKERS: workers,
        SEALPOST_ROUTES_FILE: routes,
        NOTIFY_SOCKET: socket.path,
      });
      assert.equal(await socket.heard(''), 'READY=1 STATUS=Relaying');
      await relay.event('listener.started');

      relay.child.kill('SIGHUP');
      const [, microseconds] = /^RELOADING=1 MONOTONIC_USEC=(\d+)$/.exec(await socket.heard('')) ?? [];
      assert.ok(Number(microseconds) <= Number(process.hrtime.bigint() / 1_000n), 'of another clock');
      assert.equal(await socket.heard(''), 'READY=1 STATUS=Relaying');

      writeFileSync(routes, 'nonsense');
      relay.child.kill('SIGHUP');
      assert.match(await socket.heard(''), /^RELOADING=1 /);
      assert.match(await socket.heard(''), /^READY=1 STATUS=Relaying; the new configuration is refused/);

      relay.child.kill('SIGTERM');
      assert.match(await socket.heard(''), /^STOPPING=1 /);
      assert.equal(relay.log.filter(({ event }) => event === 'supervisor.untold').length, 0);
    },
  );
}

test('beats for the watchdog of systemd again and again', LIMIT, async ({ signal }) => {
  await using socket = await NotifySocket.open(signal);
  await using _relay = runSealpost(['serve'], {
    SEALPOST_UPSTREAM: 'smtps://mail.example.test',
    SEALPOST_LISTEN: '127.0.0.1:0',
    NOTIFY_SOCKET: socket.path,
    WATCHDOG_USEC: '300000',
  });
  for (let beat = 0; beat < 3; beat += 1) assert.equal(await socket.heard('WATCHDOG=1'), 'WATCHDOG=1');
});

test('serves on, and says so, where systemd cannot be told', LIMIT, async () => {
  await using relay = runSealpost(['serve'], {
    SEALPOST_UPSTREAM: 'smtps://mail.example.test',
    SEALPOST_LISTEN: '127.0.0.1:0',
    NOTIFY_SOCKET: join(authority.directory, 'nobody-listens'),
  });
  await relay.event('supervisor.untold');
  assert.equal(await relay.stop(), 0);
});
