/**
 * Refusals of the providers: they come as they are, with one line of help behind them.
 */
import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';

import { icloud, protonBridge, yahoo, zoho } from '../support/providers/mailboxes.ts';
import type { Profile } from '../../src/sandbox/provider/profile.ts';
import {
  assertLines,
  ProviderStage,
  startPreset,
  USER,
  whyNoStage,
  type StageOptions,
} from '../support/providers/provider-stage.ts';
import { brevo, mailgun, postmark, resend, scaleway, sendgrid, ses } from '../support/providers/senders.ts';
import type { Variables } from '../support/relay-process.ts';

const FOREIGN = 'scanner@elsewhere.test';
const WRONG = { SEALPOST_UPSTREAM_PASSWORD: 'wrong-canary' };

const skip = whyNoStage() ?? false;

interface Refused {
  readonly name: string;
  readonly provider: string;
  readonly profile: () => Profile;
  readonly variables?: Variables;
  readonly account?: StageOptions['account'];
  readonly sender?: string;
  readonly headerFrom?: string;
  readonly code: number;
  readonly theirs: RegExp;
  readonly ours: RegExp;
}

const refusals: readonly Refused[] = [
  {
    name: 'a wrong password of Amazon SES',
    provider: 'ses:eu-west-1',
    profile: ses,
    variables: WRONG,
    code: 454,
    theirs: /535 Authentication Credentials Invalid/,
    ours: /SMTP credentials/,
  },
  {
    name: 'another user than apikey at SendGrid',
    provider: 'sendgrid',
    profile: sendgrid,
    account: { user: 'apikey', password: 'SG.key' },
    variables: { SEALPOST_UPSTREAM_USER: 'somebody' },
    code: 454,
    theirs: /535 Authentication failed: Bad username/,
    ours: /wants the user apikey/,
  },
  {
    name: 'a sender that SendGrid has not verified',
    provider: 'sendgrid',
    profile: sendgrid,
    account: { user: 'apikey', password: 'SG.key' },
    code: 550,
    theirs: /^The from address does not match a verified Sender Identity/,
    ours: /authenticate its domain/,
  },
  {
    name: 'a wrong password of Mailgun',
    provider: 'mailgun',
    profile: mailgun,
    variables: WRONG,
    code: 454,
    theirs: /535 Authentication failed/,
    ours: /mailgun:eu/,
  },
  {
    name: 'a sender without a signature at Postmark',
    provider: 'postmark',
    profile: postmark,
    headerFrom: FOREIGN,
    code: 550,
    theirs: /is not a Sender Signature/,
    ours: /^5\.7\.1 Postmark sends only for confirmed/,
  },
  {
    name: 'a wrong password of iCloud',
    provider: 'icloud',
    profile: icloud,
    variables: WRONG,
    code: 454,
    theirs: /535 5\.7\.8 Error: authentication failed/,
    ours: /app-specific password/,
  },
  {
    name: 'a foreign sender at iCloud',
    provider: 'icloud',
    profile: icloud,
    sender: FOREIGN,
    code: 550,
    theirs: /^5\.7\.0 From address is not one of your addresses/,
    ours: /^5\.7\.0 The From address is not this account's own/,
  },
  {
    name: 'a wrong password of Zoho, told without an enhanced code',
    provider: 'zoho',
    profile: zoho,
    variables: WRONG,
    code: 454,
    theirs: /535 Authentication Failed/,
    ours: /region of the account/,
  },
  {
    name: 'a foreign From at Zoho',
    provider: 'zoho',
    profile: zoho,
    headerFrom: FOREIGN,
    code: 553,
    theirs: /^Relaying disallowed as scanner@elsewhere\.test/,
    ours: /^The From address is not this account's own/,
  },
  {
    name: 'a wrong password of Yahoo',
    provider: 'yahoo',
    profile: yahoo,
    variables: WRONG,
    code: 454,
    theirs: /#AUTH012/,
    ours: /app password/,
  },
  {
    name: 'a foreign From at Yahoo',
    provider: 'yahoo',
    profile: yahoo,
    headerFrom: FOREIGN,
    code: 553,
    theirs: /^From: address not verified/,
    ours: /verified ones only/,
  },
  {
    name: 'a wrong password of Brevo',
    provider: 'brevo',
    profile: brevo,
    variables: WRONG,
    code: 454,
    theirs: /535 5\.7\.8 Authentication failed/,
    ours: /SMTP key/,
  },
  {
    name: 'a wrong password of Scaleway',
    provider: 'scaleway',
    profile: scaleway,
    variables: WRONG,
    code: 454,
    theirs: /535 5\.7\.8/,
    ours: /project ID as the user/,
  },
  {
    name: 'a domain that Resend has not verified',
    provider: 'resend',
    profile: resend,
    headerFrom: FOREIGN,
    account: { user: 'resend', password: 're_key', senders: [USER] },
    code: 550,
    theirs: /domain is not verified/,
    ours: /verify the one of the From address/,
  },
];

describe('A refusal comes with one line of help', { concurrency: 2, timeout: 60_000, skip }, () => {
  for (const { name, provider, profile, variables, account, code, theirs, ours, ...sent } of refusals) {
    test(name, async () => {
      await using stage = await startPreset(provider, profile(), variables, account);
      const sender = sent.sender ?? USER;
      const reply = await stage.send(sender, sent.headerFrom ?? sender);
      assertLines(reply, code, [theirs, ours]);
      assert.ok(!reply.raw.includes('canary'));
      assert.deepEqual(stage.simulation.messages, []);
    });
  }

  test('a wrong password of Proton Bridge, which says so with 454', async () => {
    await using stage = await ProviderStage.start({
      profile: protonBridge(),
      variables: (bridge) => ({ SEALPOST_PROVIDER: `proton-bridge:${bridge.at(0).port}`, ...WRONG }),
    });
    assertLines(await stage.send(), 454, [/454 4\.7\.0 invalid username or password/, /shown in Bridge/]);
  });

  test('none where the provider is not named', async () => {
    const upstream = { SEALPOST_PROVIDER: undefined, SEALPOST_UPSTREAM: 'smtp.zoho.com' };
    await using stage = await startPreset('', zoho(), upstream);
    assertLines(await stage.send(USER, FOREIGN), 553, [/^Relaying disallowed/]);
  });
});
