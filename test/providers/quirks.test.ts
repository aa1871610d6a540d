/**
 * What is particular about the other providers: sessions of few messages, odd EHLO lists, ports that say nothing.
 */
import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';

import { gmail } from '../support/providers/google.ts';
import { icloud } from '../support/providers/mailboxes.ts';
import { assertLines, letter, startPreset, USER, whyNoStage } from '../support/providers/provider-stage.ts';
import { postmark, scaleway, ses } from '../support/providers/senders.ts';

const FOREIGN = 'scanner@elsewhere.test';
const WRONG = { SEALPOST_UPSTREAM_PASSWORD: 'wrong-canary' };

const skip = whyNoStage() ?? false;

describe('Scaleway', { timeout: 60_000, skip }, () => {
  test('takes ten messages a session, and a client sends twenty-five over one connection', async () => {
    await using stage = await startPreset('scaleway', scaleway());
    using client = await stage.client();
    for (let sent = 0; sent < 25; sent += 1) {
      const reply = await client.send(letter(USER), USER, 'somebody@example.org');
      assert.equal(reply.code, 250, reply.raw);
    }
    const { sessions, messages } = stage.simulation;
    assert.equal(messages.length, 25);
    assert.deepEqual(
      sessions.map((session) => session.messages),
      [10, 10, 5],
    );
    assert.ok(!sessions.flatMap(({ replies }) => replies).some((line) => line.startsWith('421')));
  });

  test('is told REQUIRETLS where the operator wants it', async () => {
    await using stage = await startPreset('scaleway', scaleway(), { SEALPOST_REQUIRETLS: 'require' });
    const reply = await stage.send();
    assert.equal(reply.code, 250, reply.raw);
    const [mail] = stage.simulation.dialogs.flat().filter((line) => line.startsWith('MAIL'));
    assert.match(mail ?? '', / REQUIRETLS/);
  });
});

describe('Amazon SES', { concurrency: 2, timeout: 60_000, skip }, () => {
  test('ends a session that had its messages, and the client notices nothing', async () => {
    await using stage = await startPreset('ses:eu-west-1', ses({ messagesPerSession: 2 }));
    using client = await stage.client();
    for (let sent = 0; sent < 5; sent += 1) {
      const reply = await client.send(letter(USER), USER, 'somebody@example.org');
      assert.equal(reply.code, 250, reply.raw);
    }
    assert.equal(stage.simulation.messages.length, 5);
    assert.equal(stage.simulation.sessions.length, 3);
  });

  for (const [scheme, port] of [
    ['smtps', 2_465],
    ['smtp', 2_587],
  ] as const)
    test(`is reached on port ${port} where SEALPOST_UPSTREAM says so, and stays the provider that it is`, async () => {
      const upstream = `${scheme}://email-smtp.eu-west-1.amazonaws.com:${port}`;
      await using stage = await startPreset('ses:eu-west-1', ses(), { SEALPOST_UPSTREAM: upstream });
      assert.equal((await stage.send()).code, 250);
      assert.equal(stage.simulation.at(port).connections.length, 1);
      assert.equal(stage.simulation.connections, 1);
      assertLines(await stage.send(USER, FOREIGN), 554, [/^Message rejected/, /^Amazon SES sends only/]);
    });

  test('refuses an identity that is not verified, and the client hears why', async () => {
    await using stage = await startPreset('ses:eu-west-1', ses());
    const reply = await stage.send(USER, FOREIGN);
    assertLines(reply, 554, [
      /^Message rejected: Email address is not verified\. .* in region EU-WEST-1: scanner@elsewhere\.test$/,
      /^Amazon SES sends only for verified identities/,
    ]);
  });

  test('says that mail comes too fast, and the client hears it', async () => {
    await using stage = await startPreset('ses:eu-west-1', ses({ rate: { messages: 1, ms: 60_000 } }));
    assert.equal((await stage.send()).code, 250);
    assertLines(await stage.send(), 454, [/^Throttling failure/, /quota at Amazon SES/]);
  });
});

describe('A port that says nothing', { concurrency: 2, timeout: 60_000, skip }, () => {
  test('is not even tried at Postmark with the preset', async () => {
    await using stage = await startPreset('postmark', postmark());
    assert.equal((await stage.send()).code, 250);
    assert.equal(stage.simulation.swallowed, 0);
  });

  test('loses the race at Postmark without the preset', async () => {
    const variables = { SEALPOST_PROVIDER: undefined, SEALPOST_UPSTREAM: 'smtp.postmarkapp.com' };
    await using stage = await startPreset('', postmark(), variables);
    const reply = await stage.send();
    assert.equal(reply.code, 250, reply.raw);
    assert.equal(stage.simulation.swallowed, 1);
  });

  test('is passed over at iCloud without the preset, where it is closed', async () => {
    const variables = { SEALPOST_PROVIDER: undefined, SEALPOST_UPSTREAM: 'smtp.mail.me.com' };
    await using stage = await startPreset('', icloud(), variables);
    const reply = await stage.send();
    assert.equal(reply.code, 250, reply.raw);
  });
});

describe('Gmail', { concurrency: 2, timeout: 60_000, skip }, () => {
  test('says in two lines that it takes no such password, and the client hears what it takes', async () => {
    await using stage = await startPreset('gmail', gmail(), WRONG);
    assertLines(await stage.send(), 454, [
      /535 5\.7\.8 Username and Password not accepted\. .* \/ 5\.7\.8  ?https:\/\/support\.google\.com/,
      /^4\.7\.0 Gmail wants an app password/,
    ]);
  });

  test('asks for an app password, and the client hears where there is one', async () => {
    await using stage = await startPreset('gmail', gmail({ wantsAppPassword: true }), WRONG);
    assertLines(await stage.send(), 454, [/534 5\.7\.9 Application-specific/, /apppasswords/]);
  });

  test('has a daily limit with lines of its own, which come with ours behind them', async () => {
    await using stage = await startPreset('gmail', gmail({ dailyMessages: 0 }));
    assertLines(await stage.send(), 550, [
      /^5\.4\.5 Daily user sending limit exceeded/,
      /^5\.4\.5 sending limits go to$/,
      /^5\.4\.5  https:/,
      /^5\.4\.5 The account has sent as many messages as Google allows/,
    ]);
  });

  test('sends a foreign From as the account, whatever the relay does', async () => {
    await using stage = await startPreset('gmail', gmail());
    assert.equal((await stage.send(FOREIGN)).code, 250);
    const [message] = stage.simulation.messages;
    assert.equal(message?.headerFrom, FOREIGN);
    assert.match(
      message?.delivered.toString() ?? '',
      /^From: <device@example\.test>\r\nX-Google-Original-From:/m,
    );
  });
});
