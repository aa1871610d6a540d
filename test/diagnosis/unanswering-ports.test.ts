/**
 * What `sealpost check` says of a port at which no mail server answers, or none that wants to be reached like that.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { after, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';

import { checkAsJson, wordOf, type Checked } from '../support/check-run.ts';
import { TestAuthority } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import { ScriptedUpstream, SILENCE } from '../support/scripted-upstream.ts';
import { SwallowingPort } from '../support/swallowing-port.ts';

const authority = new TestAuthority();
after(() => authority.remove());

const good = authority.issue();
const TRUST: Variables = {
  SEALPOST_TLS_CA_FILE: authority.caFile,
  SEALPOST_CONNECT_TIMEOUT: '8', // enough for a machine that does several things at once
};

async function check(url: string, variables: Variables = {}): Promise<Checked> {
  return checkAsJson([url], { ...TRUST, ...variables });
}

describe('The verdict of `sealpost check`', { concurrency: 4 }, () => {
  test('names an HTTP server for what it is not, however it is asked', async () => {
    await using stack = new AsyncDisposableStack();
    const server = createHttpServer((_request, reply) => reply.end('hello')).listen(0, '127.0.0.1');
    stack.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    for (const scheme of ['smtp', 'smtps']) {
      const { port, code } = await check(`${scheme}://localhost:${address.port}`);
      assert.match(port.verdict.sentence, /is no mail server/, scheme);
      assert.equal(code, 69);
    }
  });

  for (const minVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`names a server that wants a client certificate, ${minVersion}`, async () => {
      await using stack = new AsyncDisposableStack();
      const wants = { requestCert: true, minVersion, maxVersion: minVersion };
      const server = createTlsServer({ ...good, ...wants }, (socket) => socket.on('error', () => undefined));
      server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
      stack.defer(() => void server.close());
      await once(server, 'listening');
      const address = server.address();
      assert.ok(address !== null && typeof address === 'object');
      const { port, code } = await check(`smtps://localhost:${address.port}`);
      assert.match(port.verdict.sentence, /SEALPOST_TLS_CLIENT_CERT_FILE/);
      assert.doesNotMatch(port.verdict.sentence, /TLS works at/);
      assert.equal(port.speaks, 'tls');
      assert.equal(code, 69);
    });
  }

  test('takes less than the connect timeout to call a port silent', async () => {
    await using upstream = await ScriptedUpstream.start({
      mode: 'starttls',
      identity: good,
      greeting: SILENCE,
    });
    // The command timeout ends the wait long before the connect timeout, which is what must not pass.
    const timeouts = { SEALPOST_CONNECT_TIMEOUT: '20', SEALPOST_COMMAND_TIMEOUT: '3' };
    const { port, ms } = await check(upstream.url, timeouts);
    assert.equal(port.speaks, 'nothing');
    assert.ok(ms < 20_000, `it took ${ms} ms`);
  });

  test('names a closed port', async () => {
    const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: good });
    const url = upstream.url;
    await upstream[Symbol.asyncDispose]();
    const { port, code } = await check(url);
    assert.deepEqual([wordOf(port.verdict), port.verdict.reason], ['unreachable', 'ECONNREFUSED']);
    assert.deepEqual(port.tcp, { reason: 'ECONNREFUSED' });
    assert.equal(code, 69);
  });

  for (const scheme of ['smtp', 'smtps']) {
    test(`names a port whose packets are dropped, asked by ${scheme}://`, async () => {
      await using swallowing = await SwallowingPort.start();
      const { port, code } = await check(`${scheme}://127.0.0.1:${swallowing.port}`);
      assert.deepEqual([wordOf(port.verdict), port.verdict.reason], ['unreachable', 'timeout']);
      assert.match(port.verdict.sentence, /could not be reached/);
      assert.deepEqual(port.tcp, { reason: 'timeout' });
      assert.equal(code, 69);
    });
  }
});
