/**
 * What is particular about Microsoft 365: caps that hold without anybody being refused, and refusals that are explained.
 */
import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';

import { microsoft365, type Microsoft365Options } from '../../src/sandbox/provider/microsoft365.ts';
import { letter, PASSWORD, ProviderStage, USER, whyNoStage } from '../support/providers/provider-stage.ts';
import { loggedIn } from '../support/providers/raw-session.ts';
import type { Variables } from '../support/relay-process.ts';

const CLIENTS = 20;

async function start(options: Microsoft365Options = {}, variables: Variables = {}): Promise<ProviderStage> {
  return ProviderStage.start({
    profile: microsoft365(options),
    variables: { SEALPOST_PROVIDER: 'microsoft365', ...variables },
  });
}

const skip = whyNoStage() ?? false;

describe('Microsoft 365', { concurrency: 2, timeout: 60_000, skip }, () => {
  test('takes twenty clients at once over three connections, and refuses none', async () => {
    await using stage = await start();
    const replies = await Promise.all(Array.from({ length: CLIENTS }, async () => stage.send()));
    assert.deepEqual(
      replies.map(({ code }) => code),
      Array.from({ length: CLIENTS }, () => 250),
    );
    assert.equal(stage.simulation.messages.length, CLIENTS);
    assert.ok(stage.simulation.account.peak <= 3, `${stage.simulation.account.peak} connections`);
    assert.ok(
      !stage.simulation.sessions.flatMap(({ replies: said }) => said).some((line) => line.startsWith('432')),
    );
  });

  test('is an upstream with a name as well, with its own account and its three connections', async () => {
    await using stage = await ProviderStage.start({
      profile: microsoft365(),
      variables: {
        SEALPOST_UPSTREAM: 'smtps://main.test',
        SEALPOST_UPSTREAM_USER: undefined,
        SEALPOST_UPSTREAM_PASSWORD: undefined,
        SEALPOST_UPSTREAM_MS_PROVIDER: 'microsoft365',
        SEALPOST_UPSTREAM_MS_USER: USER,
        SEALPOST_UPSTREAM_MS_PASSWORD: PASSWORD,
        SEALPOST_ROUTES: 'from=@example.test -> ms',
      },
    });
    const replies = await Promise.all(Array.from({ length: CLIENTS }, async () => stage.send()));
    assert.ok(replies.every(({ code }) => code === 250));
    assert.ok(stage.simulation.account.peak <= 3, `${stage.simulation.account.peak} connections`);
    assertExplained((await stage.send(USER, 'scanner@elsewhere.test')).lines, 554, 554, [
      /^5\.2\.252 SendAsDenied/,
      /^5\.2\.252 The From address is not this mailbox's own/,
    ]);
  });

  test('gets as many connections as SEALPOST_POOL_MAX says, which counts before the preset', async () => {
    await using stage = await start({}, { SEALPOST_POOL_MAX: '1' });
    const replies = await Promise.all(Array.from({ length: 6 }, async () => stage.send()));
    assert.ok(replies.every(({ code }) => code === 250));
    assert.equal(stage.simulation.account.peak, 1);
  });

  test('delays what comes too fast, and the clients wait for it', async () => {
    await using stage = await start({ messagesPerMinute: 4, minuteMs: 600 });
    const replies = await Promise.all(Array.from({ length: 10 }, async () => stage.send()));
    assert.ok(replies.every(({ code }) => code === 250));
    assert.equal(stage.simulation.messages.length, 10);
  });

  test('ends sessions, and no client notices', async () => {
    // Enough for a message on a busy machine.
    await using stage = await start({ sessionMs: 1_000 });
    using client = await stage.client();
    for (let session = 1; session <= 3; session += 1) {
      const reply = await client.send(letter(USER), USER, 'somebody@example.org');
      assert.equal(reply.code, 250, reply.raw);
      await stage.simulation.at(587).idle(session);
    }
    assert.equal(stage.simulation.messages.length, 3);
    const said = stage.simulation.sessions.map(({ replies }) => replies.at(-1) ?? '');
    for (const last of said) assert.match(last, /^421 4\.4\.1 Connection timed out\. Total session duration/);
  });

  test('refuses with 432 while other programs use the mailbox, and the client hears why', async () => {
    await using stage = await start();
    const others = [];
    for (let count = 0; count < 3; count += 1) others.push(await loggedIn(stage.simulation));
    const reply = await stage.send();
    for (const other of others) other.close();
    assertExplained(reply.lines, reply.code, 432, [
      /^4\.3\.2 Concurrent connections limit exceeded\. Visit https:\/\/aka\.ms\/concurrent_sending/,
      /^4\.3\.2 Microsoft lets three connections send/,
    ]);
    assert.deepEqual(stage.simulation.messages, []);
  });

  test('refuses a foreign From, and the client hears why', async () => {
    await using stage = await start();
    const byEnvelope = await stage.send('scanner@elsewhere.test', USER);
    const byHeader = await stage.send(USER, 'scanner@elsewhere.test');
    for (const reply of [byEnvelope, byHeader])
      assertExplained(reply.lines, reply.code, 554, [
        /^5\.2\.252 SendAsDenied; device@example\.test not allowed to send as scanner@elsewhere\.test/,
        /^5\.2\.252 The From address is not this mailbox's own/,
      ]);
  });

  test('says that the mailbox has used up its recipients, and the client hears until when', async () => {
    await using stage = await start({ recipientsPerDay: 0 });
    const reply = await stage.send();
    assertExplained(reply.lines, reply.code, 554, [/^5\.2\.0 STOREDRV/, /^5\.2\.0 .*it goes on tomorrow\.$/]);
  });

  const refusals = [
    ['tenant-off', /SmtpClientAuthentication is disabled for the Tenant/, /SMTP AUTH is off/],
    ['disabled', /535 5\.7\.139 .*basic authentication is disabled/, /takes no password .* OAuth/],
    ['retired', /550 5\.7\.30 Basic authentication is not supported/, /switched off passwords .* OAuth/],
  ] as const;
  for (const [passwords, theirs, ours] of refusals) {
    test(`takes no password (${passwords}), and the client hears what to do`, async () => {
      await using stage = await start({ passwords });
      const reply = await stage.send();
      assertExplained(reply.lines, reply.code, 454, [theirs, ours]);
      assert.match(reply.raw, /^454-4\.7\.0 .*\n454 4\.7\.0 /);
    });
  }

  test('takes a password and then no mail (5.7.30 at MAIL), which is not about REQUIRETLS', async () => {
    await using stage = await start({ passwords: 'retired-at-mail' });
    const reply = await stage.send();
    assertExplained(reply.lines, reply.code, 550, [
      /^5\.7\.30 Basic authentication is not supported/,
      /^5\.7\.30 Microsoft has switched off passwords/,
    ]);
  });

  test('refuses a wrong password, and the client hears what to look at', async () => {
    await using stage = await start({}, { SEALPOST_UPSTREAM_PASSWORD: 'wrong-canary' });
    const reply = await stage.send();
    assertExplained(reply.lines, reply.code, 454, [
      /535 5\.7\.3 Authentication unsuccessful/,
      /the whole address/,
    ]);
    assert.ok(!reply.raw.includes('canary'));
    assert.equal(stage.simulation.account.failures, 1, 'offered once');
  });
});

function assertExplained(
  lines: readonly string[],
  code: number,
  expected: number,
  patterns: readonly RegExp[],
): void {
  assert.equal(code, expected, lines.join('\n'));
  assert.equal(lines.length, patterns.length, lines.join('\n'));
  for (const [index, pattern] of patterns.entries()) assert.match(lines[index] ?? '', pattern);
}
