/**
 * The simulations themselves: they have the EHLO lists and words of their providers, and take nothing for granted.
 */
import { strict as assert } from 'node:assert';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';

import { gmail } from '../support/providers/google.ts';
import { protonBridge, yahoo } from '../support/providers/mailboxes.ts';
import { microsoft365 } from '../../src/sandbox/provider/microsoft365.ts';
import type { Profile } from '../../src/sandbox/provider/profile.ts';
import { letter, PASSWORD, USER, whyNoStage } from '../support/providers/provider-stage.ts';
import { ProviderSimulation } from '../support/providers/provider-simulation.ts';
import { base64, loggedIn, secured } from '../support/providers/raw-session.ts';
import { brevo, postmark, scaleway, sendgrid, ses } from '../support/providers/senders.ts';
import { TestAuthority } from '../support/pki.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const authority = new TestAuthority();
const TOKEN = `ya29.${'a0AfH6SMC'.repeat(250)}`;

async function start(profile: Profile): Promise<ProviderSimulation> {
  const accounts = [{ user: USER, password: PASSWORD, tokens: [TOKEN] }];
  return ProviderSimulation.start({ profile, accounts, authority });
}

function plain(password: string): string {
  return base64(`\0${USER}\0${password}`);
}

function xoauth2(token: string): string {
  return base64(`user=${USER}\x01auth=Bearer ${token}\x01\x01`);
}

function oauthbearer(token: string): string {
  return base64(`n,a=${USER},\x01host=smtp.gmail.com\x01port=465\x01auth=Bearer ${token}\x01\x01`);
}

const skip = whyNoStage() ?? false;

describe('A simulation', { timeout: 60_000, skip }, () => {
  test('of Microsoft 365 offers LOGIN and XOAUTH2 inside TLS alone, and knows no PLAIN', async () => {
    await using simulation = await start(microsoft365());
    const { dialog, before, inside } = await secured(simulation);
    assert.deepEqual(before.lines.slice(1), [
      'SIZE 157286400',
      'PIPELINING',
      'DSN',
      'ENHANCEDSTATUSCODES',
      'STARTTLS',
      '8BITMIME',
      'BINARYMIME',
      'CHUNKING',
      'SMTPUTF8',
    ]);
    assert.ok(inside.lines.includes('AUTH LOGIN XOAUTH2'));
    assert.ok(!inside.lines.includes('STARTTLS'));
    assert.match((await dialog.command(`AUTH PLAIN ${plain(PASSWORD)}`)).raw, /^504 5\.7\.4 /);
    assert.match((await dialog.command('MAIL FROM:<a@example.test>')).raw, /^530 5\.7\.57 /);
    assert.match((await dialog.command(`AUTH XOAUTH2 ${xoauth2('other')}`)).raw, /^535 5\.7\.3 /);
    assert.match((await dialog.command(`AUTH XOAUTH2 ${xoauth2(TOKEN)}`)).raw, /^235 2\.7\.0 /);
    dialog.close();
  });

  test('of Microsoft 365 lets three sessions send, and the fourth when one of them has ended', async () => {
    await using simulation = await start(microsoft365());
    const sessions = [];
    for (let count = 0; count < 4; count += 1) sessions.push(await loggedIn(simulation));
    const [first, , , fourth] = sessions;
    const refused = await fourth?.send(letter(USER), USER);
    assert.match(refused?.raw ?? '', /^432 4\.3\.2 Concurrent connections limit exceeded/);
    await first?.command('QUIT');
    const taken = await fourth?.send(letter(USER), USER);
    assert.equal(taken?.code, 250, taken?.raw);
    for (const session of sessions) session.close();
  });

  test('of Gmail answers a refused token with a challenge, and the answer to that with 535', async () => {
    await using simulation = await start(gmail());
    const { dialog } = await secured(simulation);
    const challenge = await dialog.command(`AUTH XOAUTH2 ${xoauth2('expired')}`);
    assert.equal(challenge.code, 334);
    assert.deepEqual(JSON.parse(Buffer.from(challenge.lines.join(''), 'base64').toString()), {
      status: '400',
      schemes: 'Bearer',
      scope: 'https://mail.google.com/',
    });
    const refused = await dialog.command('');
    assert.deepEqual([refused.code, refused.lines.length], [535, 2]);
    assert.equal((await dialog.command(`AUTH OAUTHBEARER ${oauthbearer('expired')}`)).code, 334);
    assert.equal((await dialog.command('AQ==')).code, 535);
    assert.deepEqual(
      simulation.sessions.flatMap(({ exchanges }) => exchanges.map((one) => one.answerToRefusal)),
      ['', 'AQ=='],
    );
    assert.equal((await dialog.command(`AUTH OAUTHBEARER ${oauthbearer(TOKEN)}`)).code, 235);
    dialog.close();
  });

  test('of Gmail takes a long token after its prompt, and refuses a line that is too long', async () => {
    await using simulation = await start(gmail());
    const { dialog } = await secured(simulation);
    const tooLong = await dialog.command(`AUTH XOAUTH2 ${xoauth2('t'.repeat(10_000))}`);
    assert.match(tooLong.raw, /^500 5\.5\.6 /);
    assert.equal((await dialog.command('AUTH XOAUTH2')).raw, '334 ');
    assert.equal((await dialog.command(xoauth2(TOKEN))).code, 235);
    dialog.close();
  });

  test('of Amazon SES offers AUTH in clear and answers it with 530', async () => {
    await using simulation = await start(ses());
    using clear = await SmtpDialog.open(587, simulation.address);
    assert.ok((await clear.command('EHLO other.example.test')).lines.includes('AUTH PLAIN LOGIN'));
    assert.equal(
      (await clear.command(`AUTH PLAIN ${plain(PASSWORD)}`)).raw,
      '530 Must issue a STARTTLS command first',
    );
  });

  test('of SendGrid offers AUTH twice and takes it in clear', async () => {
    await using simulation = await start(sendgrid());
    using clear = await SmtpDialog.open(587, simulation.address);
    const { lines } = await clear.command('EHLO other.example.test');
    assert.deepEqual(lines.slice(-2), ['AUTH PLAIN LOGIN', 'AUTH=PLAIN LOGIN']);
    assert.equal((await clear.command(`AUTH PLAIN ${plain('wrong')}`)).code, 535);
    assert.equal((await clear.command(`AUTH PLAIN ${plain(PASSWORD)}`)).code, 235);
  });

  test('of Yahoo has a keyword with a blank in it, and locks the account after bad logins', async () => {
    await using simulation = await start(yahoo());
    const { dialog, inside } = await secured(simulation);
    assert.match(inside.raw, /^250-8 BITMIME$/m);
    for (let count = 0; count < 3; count += 1)
      assert.match((await dialog.command(`AUTH PLAIN ${plain('wrong')}`)).raw, /AUTH012/);
    assert.match((await dialog.command(`AUTH PLAIN ${plain('wrong')}`)).raw, /AUTH005/);
    assert.match((await dialog.command(`AUTH PLAIN ${plain(PASSWORD)}`)).raw, /AUTH005/);
    dialog.close();
  });

  for (const profile of [brevo(), protonBridge()]) {
    test(`of ${profile.title} forgets the login at the next EHLO`, async () => {
      await using simulation = await start(profile);
      const { dialog } = await secured(simulation, profile.onlyAddress === undefined ? 587 : 0);
      assert.equal((await dialog.command(`AUTH PLAIN ${plain(PASSWORD)}`)).code, 235);
      await dialog.command('EHLO other.example.test');
      assert.equal(
        (await dialog.command('MAIL FROM:<a@example.test>')).raw,
        '502 5.7.0 Please authenticate first',
      );
      dialog.close();
    });
  }

  test('of Brevo compares the digest of CRAM-MD5', async () => {
    await using simulation = await start(brevo());
    const { dialog } = await secured(simulation);
    for (const [key, code] of [
      ['wrong', 535],
      [PASSWORD, 235],
    ] as const) {
      const challenge = await dialog.command('AUTH CRAM-MD5');
      const digest = createHmac('md5', key).update(Buffer.from(challenge.lines.join(''), 'base64'));
      assert.equal((await dialog.command(base64(`${USER} ${digest.digest('hex')}`))).code, code);
    }
    dialog.close();
  });

  test('of Scaleway offers REQUIRETLS, and ends a session at its eleventh message', async () => {
    await using simulation = await start(scaleway());
    const { dialog, inside } = await secured(simulation);
    assert.ok(inside.lines.includes('REQUIRETLS'));
    await dialog.command(`AUTH PLAIN ${plain(PASSWORD)}`);
    for (let sent = 0; sent < 10; sent += 1) {
      for (const line of ['MAIL FROM:<a@example.test> REQUIRETLS', 'RCPT TO:<b@example.org>', 'DATA'])
        assert.ok((await dialog.command(line)).code < 400);
      dialog.write(`${letter(USER)}\r\n.\r\n`);
      assert.equal((await dialog.reply()).code, 250);
    }
    assert.match((await dialog.command('MAIL FROM:<a@example.test>')).raw, /^421 /);
    await dialog.ended();
  });

  test('of Postmark says nothing on 465', async () => {
    await using simulation = await start(postmark());
    const silent = await SmtpDialog.openSilently(465, simulation.address);
    silent.write('\x16\x03\x01');
    using loud = await SmtpDialog.open(587, simulation.address); // by then the other would have spoken
    assert.equal((await loud.command('QUIT')).code, 221);
    silent.socket.end();
    assert.equal(simulation.swallowed, 1);
    silent.close();
  });

  test('refuses parameters that it did not offer, and mail in the wrong order', async () => {
    await using simulation = await start(yahoo());
    const { dialog } = await secured(simulation);
    assert.equal((await dialog.command('RCPT TO:<b@example.org>')).code, 503);
    await dialog.command(`AUTH PLAIN ${plain(PASSWORD)}`);
    assert.equal((await dialog.command('MAIL FROM:<a@example.test> BODY=8BITMIME')).code, 555);
    assert.equal((await dialog.command('MAIL FROM:<a@example.test> SIZE=41697281')).code, 552);
    assert.equal((await dialog.command('DATA')).code, 503);
    dialog.close();
  });
});
