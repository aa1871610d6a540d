/**
 * `sealpost check --pin`: what to copy to SEALPOST_TLS_PIN_SHA256.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';

import { runCheck } from '../support/check-run.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay } from '../support/relay-process.ts';
import { ScriptedUpstream, SILENCE } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const authority = new TestAuthority();
after(() => authority.remove());

const NOTICE = /^sealpost: this shows what answered, not who: compare it .*\n$/;

describe('--pin', { concurrency: 4 }, () => {
  for (const mode of ['implicit', 'starttls'] as const) {
    test(`prints the pin of a self-signed server, ${mode}, with which serve then delivers`, async () => {
      const identity = authority.issue({ selfSigned: true });
      await using upstream = await ScriptedUpstream.start({ mode, identity });
      const { stdout, stderr, code } = await runCheck(['--pin', upstream.url]);
      assert.equal(stdout, `${authority.pin(identity)}\n`);
      assert.match(stderr, NOTICE);
      assert.equal(code, 0);
      await using relay = await startRelay({
        SEALPOST_UPSTREAM: upstream.url,
        SEALPOST_TLS_PIN_SHA256: stdout.trim(),
      });
      using client = await SmtpDialog.open(relay.port());
      assert.equal((await client.send('Subject: pinned\r\n\r\nHello')).code, 250);
      assert.equal(upstream.messages.length, 1);
      assert.equal((await relay.event('hop.secured'))['mechanism'], 'none');
    });
  }

  test('says nothing inside TLS to whom it only looks at, whatever credentials there are', async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
    await runCheck(['--pin', `smtps://u:${CANARY_PASSWORD}@localhost:${upstream.port}`], {
      SEALPOST_TLS_CA_FILE: authority.caFile,
    });
    assert.equal(upstream.secured, '');
  });

  test('works for an expired certificate of another name, and for a port that begins otherwise', async () => {
    const identity = authority.issue({ notAfter: '20250601000000Z', san: 'DNS:mail.other.test' });
    await using upstream = await ScriptedUpstream.start({ mode: 'starttls', identity });
    const { stdout } = await runCheck(['--pin', `smtps://localhost:${upstream.port}`]);
    assert.equal(stdout, `${authority.pin(identity)}\n`);
  });

  test('works for the configured upstreams, each key once', async () => {
    const [one, other] = [authority.issue({ selfSigned: true }), authority.issue({ key: 'rsa:2048' })];
    await using first = await ScriptedUpstream.start({ mode: 'implicit', identity: one });
    await using second = await ScriptedUpstream.start({ mode: 'starttls', identity: one });
    await using third = await ScriptedUpstream.start({ mode: 'starttls', identity: other });
    const { stdout, code } = await runCheck(['--pin'], {
      SEALPOST_UPSTREAM: [first, second, third].map(({ url }) => url).join(','),
    });
    assert.equal(stdout, `${authority.pin(one)}\n${authority.pin(other)}\n`);
    assert.equal(code, 0);
  });

  test('prints nothing and says why where there is no key, and the exit code is 69', async () => {
    await using upstream = await ScriptedUpstream.start({
      mode: 'starttls',
      identity: authority.issue(),
      greeting: SILENCE,
    });
    for (const [url, why, seconds] of [
      [upstream.url, /silent/, '4'],
      ['smtps://nowhere.invalid', /name was not found/, undefined],
    ] as const) {
      const { stdout, stderr, code } = await runCheck(['--pin', url], { SEALPOST_CONNECT_TIMEOUT: seconds });
      assert.equal(stdout, '');
      assert.match(stderr, why);
      assert.equal(code, 69);
    }
  });

  test('calls a port silent that was silent once and takes no further connection', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    server.once('connection', () => void server.close());
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const url = `smtp://127.0.0.1:${address.port}`;
    const { stderr } = await runCheck(['--pin', url], { SEALPOST_CONNECT_TIMEOUT: '4' });
    assert.match(stderr, /the port is silent/);
  });
});
