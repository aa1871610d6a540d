/**
 * Every preset against a simulation of its provider, with no further setting but credentials and the tests' authority.
 */
import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';

import { gmail } from '../support/providers/google.ts';
import { fastmail, icloud, ovh, protonBridge, yahoo, zoho } from '../support/providers/mailboxes.ts';
import { microsoft365 } from '../../src/sandbox/provider/microsoft365.ts';
import type { Profile } from '../../src/sandbox/provider/profile.ts';
import {
  letter,
  PASSWORD,
  pinOf,
  ProviderStage,
  USER,
  whyNoStage,
  type StageOptions,
} from '../support/providers/provider-stage.ts';
import { brevo, mailgun, postmark, resend, scaleway, sendgrid, ses } from '../support/providers/senders.ts';
import type { ServerMechanism } from '../../src/sandbox/provider/sasl-server.ts';

interface Case {
  /** SEALPOST_PROVIDER. */
  readonly provider: string;
  readonly profile: Profile;
  /** That gets the message. */
  readonly port: number;
  readonly mechanism: ServerMechanism;
  readonly account?: StageOptions['account'];
  /** Instead of the account's name in SEALPOST_UPSTREAM_USER. */
  readonly isUserKnown?: true;
}

const TOKEN = 'pm-4a6f0b1c-canary';

const cases: readonly Case[] = [
  { provider: 'microsoft365', profile: microsoft365(), port: 587, mechanism: 'LOGIN' },
  { provider: 'gmail', profile: gmail(), port: 465, mechanism: 'PLAIN' },
  { provider: 'ses:eu-west-1', profile: ses(), port: 465, mechanism: 'PLAIN' },
  {
    provider: 'sendgrid',
    profile: sendgrid(),
    port: 465,
    mechanism: 'PLAIN',
    account: { user: 'apikey', password: PASSWORD, senders: ['@example.test'] },
    isUserKnown: true,
  },
  { provider: 'mailgun', profile: mailgun(), port: 465, mechanism: 'PLAIN' },
  { provider: 'mailgun:eu', profile: mailgun('smtp.eu.mailgun.org'), port: 465, mechanism: 'PLAIN' },
  {
    provider: 'postmark',
    profile: postmark(),
    port: 587,
    mechanism: 'CRAM-MD5',
    account: { user: TOKEN, password: TOKEN, senders: ['@example.test'] },
    isUserKnown: true,
  },
  { provider: 'fastmail', profile: fastmail(), port: 465, mechanism: 'PLAIN' },
  { provider: 'icloud', profile: icloud(), port: 587, mechanism: 'PLAIN' },
  { provider: 'zoho', profile: zoho(), port: 465, mechanism: 'PLAIN' },
  { provider: 'zoho:eu', profile: zoho(), port: 465, mechanism: 'PLAIN' },
  { provider: 'yahoo', profile: yahoo(), port: 465, mechanism: 'PLAIN' },
  { provider: 'brevo', profile: brevo(), port: 465, mechanism: 'CRAM-MD5' },
  { provider: 'scaleway', profile: scaleway(), port: 465, mechanism: 'PLAIN' },
  { provider: 'ovh', profile: ovh(), port: 465, mechanism: 'PLAIN' },
  {
    provider: 'resend',
    profile: resend(),
    port: 465,
    mechanism: 'PLAIN',
    account: { user: 'resend', password: PASSWORD, senders: ['@example.test'] },
    isUserKnown: true,
  },
];

const skip = whyNoStage() ?? false;

describe('A preset delivers with credentials alone', { concurrency: 2, timeout: 60_000, skip }, () => {
  for (const one of cases) {
    test(`${one.provider}, on port ${one.port} with ${one.mechanism}`, async () => {
      const known = one.isUserKnown === true ? { SEALPOST_UPSTREAM_USER: undefined } : {};
      await using stage = await ProviderStage.start({
        profile: one.profile,
        ...(one.account === undefined ? {} : { account: one.account }),
        variables: { SEALPOST_PROVIDER: one.provider, SEALPOST_LOG_LEVEL: 'debug', ...known },
      });
      await assertDelivered(stage, 2);
      const { simulation } = stage;
      assert.equal(simulation.connections, 1, 'one hop, on the first port');
      assert.equal(simulation.at(one.port).connections.length, 1);
      assert.equal(simulation.swallowed, 0);
      const mechanisms = simulation.sessions.flatMap(({ exchanges }) =>
        exchanges.map(({ mechanism }) => mechanism),
      );
      assert.deepEqual(mechanisms, [one.mechanism]);
      assertOneEhlo(stage);
      assertSecret(stage, one.account?.password ?? PASSWORD);
    });
  }

  test('proton-bridge, on a port of loopback with the certificate that it signs itself', async () => {
    await using stage = await ProviderStage.start({
      profile: protonBridge(),
      variables: (bridge) => ({ SEALPOST_PROVIDER: `proton-bridge:${bridge.at(0).port}` }),
    });
    await assertDelivered(stage, 2);
    assertOneEhlo(stage);
    assertSecret(stage, PASSWORD);
  });

  test('proton-bridge, with the key of its certificate pinned instead', async () => {
    await using stage = await ProviderStage.start({
      profile: protonBridge(),
      variables: (bridge) => ({
        SEALPOST_PROVIDER: `proton-bridge:${bridge.at(0).port}`,
        SEALPOST_TLS_CA_FILE: undefined,
        SEALPOST_TLS_PIN_SHA256: pinOf(bridge),
      }),
    });
    await assertDelivered(stage, 1);
  });

  test('proton-bridge not without one of them', async () => {
    await using stage = await ProviderStage.start({
      profile: protonBridge(),
      variables: (bridge) => ({
        SEALPOST_PROVIDER: `proton-bridge:${bridge.at(0).port}`,
        SEALPOST_TLS_CA_FILE: undefined,
      }),
    });
    const reply = await stage.send();
    assert.match(reply.raw, /^451 4\.7\.5 /);
    assert.deepEqual(stage.simulation.messages, []);
  });
});

/** So many messages, each as it was written, under the account. */
async function assertDelivered(stage: ProviderStage, count: number): Promise<void> {
  const { simulation } = stage;
  for (let sent = 0; sent < count; sent += 1) {
    const reply = await stage.send();
    assert.equal(reply.code, 250, reply.raw);
  }
  assert.equal(simulation.messages.length, count);
  for (const { account, sender, recipients, content } of simulation.messages) {
    assert.equal(account, simulation.account);
    assert.equal(sender, USER);
    assert.deepEqual(recipients, ['somebody@example.org']);
    assert.ok(content.toString().endsWith(`${letter(USER)}\r\n`), content.toString());
  }
}

/** Some providers forget the login at another one; and nothing but EHLO and STARTTLS is said in clear. */
function assertOneEhlo({ simulation }: ProviderStage): void {
  for (const commands of simulation.dialogs)
    assert.equal(commands.filter((line) => line.startsWith('EHLO')).length, 1, commands.join('\n'));
  assert.match(simulation.clear, /^(?:EHLO \[127\.0\.0\.1\]\r\nSTARTTLS\r\n)*$/);
}

function assertSecret({ relay, simulation }: ProviderStage, password: string): void {
  for (const form of [password, Buffer.from(password).toString('base64'), encodeURIComponent(password)]) {
    assert.ok(!relay.output.includes(form), 'the password is in the log');
    assert.ok(!simulation.clear.includes(form), 'the password left in clear');
  }
}
