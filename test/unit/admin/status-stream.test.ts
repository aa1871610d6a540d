/**
 * Who reads the status, over a real connection.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';

import { Status } from '../../../src/admin/status/status.ts';
import { StatusStream } from '../../../src/admin/status/status-stream.ts';
import { openLog } from '../../../src/log/log.ts';

/** More than a connection holds on its way. */
const MUCH = 16_000_000;

test('cuts off a reader that takes nothing', async () => {
  const status = new Status('mask');
  status.observer['listener.started']?.({ host: 'x'.repeat(MUCH), port: 25, tls: false });
  const depth = { spool: undefined, hops: { idle: 0, leased: 0, opening: 0, waiting: 0 } };
  const stream = new StatusStream(status, async () => Promise.resolve(depth), openLog('error', 'json'), 100);
  const added = Promise.withResolvers<ServerResponse>();
  const server = createServer((_, response) => {
    stream.add(response);
    added.resolve(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const reader = connect(address.port, '127.0.0.1').pause();
  reader.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const response = await added.promise;
  assert.ok(response.writableNeedDrain);
  await once(response, 'close');
  reader.destroy();
  server.close();
});
