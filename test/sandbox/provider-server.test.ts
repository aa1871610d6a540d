/**
 * The simulated provider that the demo shows, as a relay meets it.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { microsoft365 } from '../../src/sandbox/provider/microsoft365.ts';
import { ProviderServer } from '../../src/sandbox/provider/provider-server.ts';
import type { Profile } from '../../src/sandbox/provider/profile.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay, type RelayProcess } from '../support/relay-process.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const USER = 'device@example.test';
const LETTER = `From: ${USER}\r\nSubject: scan\r\n\r\n.A dot\r\n..two\r\nend`;
const authority = new TestAuthority();
after(() => authority.remove());

async function provider(profile: Profile): Promise<ProviderServer> {
  return ProviderServer.start({
    profile,
    account: { user: USER, password: 'right' },
    identity: authority.issue(),
  });
}

async function relayTo({ port }: ProviderServer, password = 'right'): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_PROVIDER: 'microsoft365',
    SEALPOST_UPSTREAM: `smtp://localhost:${port}`,
    SEALPOST_UPSTREAM_USER: USER,
    SEALPOST_UPSTREAM_PASSWORD: password,
    SEALPOST_TLS_CA_FILE: authority.caFile,
  });
}

const withoutChunking: Profile = {
  ...microsoft365(),
  ehlo: (at) =>
    microsoft365()
      .ehlo(at)
      .filter((line) => line !== 'CHUNKING'),
};

for (const [by, profile] of [
  ['BDAT', microsoft365()],
  ['DATA', withoutChunking],
] as const)
  test(`takes messages by ${by}, one after the other, octet for octet`, async () => {
    await using server = await provider(profile);
    await using relay = await relayTo(server);
    using client = await SmtpDialog.open(relay.port());
    for (let sent = 0; sent < 2; sent += 1)
      assert.equal((await client.send(LETTER.replaceAll(/^\./gm, '..'), USER)).code, 250);
    assert.equal(server.messages.length, 2);
    for (const { content } of server.messages) assert.ok(content.toString().endsWith(`${LETTER}\r\n`));
  });

test('takes no wrong password', async () => {
  await using server = await provider(microsoft365());
  await using relay = await relayTo(server, 'wrong');
  using client = await SmtpDialog.open(relay.port());
  assert.match((await client.send(LETTER, USER)).raw, /535 5\.7\.3 Authentication unsuccessful/);
  assert.deepEqual(server.messages, []);
});
