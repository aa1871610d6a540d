/**
 * Relays behind a real balancer.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Haproxy } from '../support/peers/haproxy.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 60_000 };
const BALANCER = '127.0.0.9';
const authority = new TestAuthority();
const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
after(async () => {
  await upstream[Symbol.asyncDispose]();
  authority.remove();
});

const variables = {
  SEALPOST_UPSTREAM: upstream.url,
  SEALPOST_TLS_CA_FILE: authority.caFile,
  SEALPOST_PROXY_NETWORKS: BALANCER,
  SEALPOST_CLIENT_NETWORKS: '127.0.0.1/32',
};

/** Resolves when the balancer thinks so of its relays; it looks every tenth of a second. */
async function thinks(haproxy: Haproxy, wanted: readonly string[]): Promise<void> {
  let seen: readonly string[] = [];
  while (JSON.stringify(seen) !== JSON.stringify(wanted)) seen = await haproxy.health();
}

for (const header of ['send-proxy', 'send-proxy-v2'] as const) {
  test(
    `serves clients of HAProxy with ${header}, which finds it well and learns of its end`,
    LIMIT,
    async () => {
      await using first = await startRelay(variables);
      await using second = await startRelay(variables);
      const relays = [first.port(), second.port()];
      await using haproxy = await Haproxy.start({ header, relays, source: BALANCER });
      await thinks(haproxy, ['UP', 'UP']);
      const before = upstream.messages.length;
      for (const _ of relays) {
        using client = await SmtpDialog.open(haproxy.port);
        assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
      }
      await upstream.received(before + 2);
      for (const { content } of upstream.messages.slice(before)) {
        assert.match(content.toString(), /^Received: from \S+ \(\[127\.0\.0\.1\]\)/);
      }
      for (const relay of [first, second]) {
        assert.equal(relay.log.filter(({ event }) => event === 'transaction.delivered').length, 1);
        assert.deepEqual(
          relay.log.filter(({ level }) => level === 'error'),
          [],
        );
      }
      await second.stop();
      await thinks(haproxy, ['UP', 'DOWN']);
      using client = await SmtpDialog.open(haproxy.port);
      assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
    },
  );
}
