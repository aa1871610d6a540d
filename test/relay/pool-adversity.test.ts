/**
 * The hops that are kept, before an upstream that throws us out, counts slowly or lies, and while the relay stops.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';

import {
  allDelivered,
  authority,
  holder,
  identity,
  MESSAGE,
  openAt,
  said,
  scene,
  sendTo,
} from '../support/pool-scene.ts';
import {
  CLOSE,
  GOOD_KEYWORDS,
  ScriptedUpstream,
  SILENCE,
  type Connection,
  type Script,
} from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 60_000 };
const LOGIN = { SEALPOST_UPSTREAM_USER: 'alice', SEALPOST_UPSTREAM_PASSWORD: 'correct horse' };
const TOO_MANY = '421 4.7.0 Too many sessions\r\n';

after(() => authority.remove());

test('stops in good order while a kept hop waits for the answer to its NOOP', LIMIT, async () => {
  const unanswered = Promise.withResolvers<Connection>();
  const script: Partial<Script> = {
    answer: (line, at) => {
      if (line !== 'NOOP') return undefined;
      unanswered.resolve(at);
      return SILENCE;
    },
  };
  await using at = await scene(script, { SEALPOST_POOL_MIN: '1', SEALPOST_POOL_IDLE_TIMEOUT: '0.5' });
  const connection = await unanswered.promise;
  const exited = once(at.relay.child, 'exit');
  at.relay.child.kill('SIGTERM');
  await at.relay.event('process.stopping');
  connection.write('250 2.0.0 Ok\r\n');
  await exited;
  assert.equal(at.relay.child.exitCode, 0);
});

test('opens no storm of sessions at an upstream that ends each behind AUTH', LIMIT, async () => {
  const script: Partial<Script> = {
    answer: (line, at) => {
      if (!line.startsWith('AUTH')) return undefined;
      at.write('235 2.7.0 Welcome\r\n');
      setImmediate(() => {
        at.write('421 4.3.0 Goodbye\r\n');
        at.write(CLOSE);
      });
      return SILENCE;
    },
  };
  // Two at once are enough for a storm, and not so many that fail side by side that the next try is a minute away.
  await using at = await scene(script, { ...LOGIN, SEALPOST_POOL_MIN: '2' });
  while (at.upstream.connections.length < 7) await at.upstream.changed();
  const seventh = performance.now();
  while (at.upstream.connections.length < 8) await at.upstream.changed();
  // Not how long it takes but that it takes ever longer: unbounded it was 300 a second.
  assert.ok(performance.now() - seventh > 1_300);
});

test('offers credentials that are refused once for a whole crowd', LIMIT, async () => {
  const script: Partial<Script> = {
    answer: (line) => (line.startsWith('AUTH') ? '535 5.7.8 No\r\n' : undefined),
  };
  await using at = await scene(script, LOGIN);
  const clients = await Promise.all(Array.from({ length: 20 }, async () => SmtpDialog.open(at.relay.port())));
  for (const client of clients) client.write('EHLO x\r\nMAIL FROM:<a@x.test>\r\n');
  for (const client of clients) {
    await client.reply();
    assert.equal((await client.reply()).code, 454);
    client.close();
  }
  const offers = at.upstream.commands.filter((line) => line.startsWith('AUTH')).length;
  assert.ok(offers <= 2, `${offers} times`);
});

test('does not learn from what is said in clear how many sessions the upstream takes', LIMIT, async () => {
  let isAttacked = false;
  const script: Partial<Script> = {
    mode: 'starttls',
    onConnection: ({ raw }) => isAttacked && raw.write(TOO_MANY),
  };
  await using at = await scene(script, { SEALPOST_CONNECT_TIMEOUT: '2' });
  using _held = await holder(at.relay);
  isAttacked = true;
  assert.equal(await sendTo(at.relay), 451);
  isAttacked = false;
  assert.equal(await sendTo(at.relay), 250);
});

test('has as many sessions as the upstream takes, though refusals come before successes', LIMIT, async () => {
  const surplus = new Set<Connection>();
  const script: Partial<Script> = {
    onConnection: (connection) => openAt(at.upstream) > 5 && surplus.add(connection),
    answer: async (line, connection) => {
      if (line.startsWith('EHLO') && surplus.has(connection)) return TOO_MANY;
      if (line.startsWith('AUTH')) await new Promise((resolve) => setTimeout(resolve, 20)); // the server thinks
      return undefined;
    },
  };
  await using at = await scene(script, LOGIN);
  const held = [await holder(at.relay)];
  await allDelivered(at.relay, 20);
  while (held.length < 5) held.push(await holder(at.relay));
  for (const client of held) client.close();
});

test('learns how many sessions the upstream takes also from the refusal of a message', LIMIT, async () => {
  const script: Partial<Script> = {
    verdict: (message) =>
      message.content.includes('one too many')
        ? '432 4.3.2 STOREDRV; concurrent limit exceeded\r\n'
        : '250 2.0.0 Ok\r\n',
  };
  await using at = await scene(script);
  const [first, second, third] = [await holder(at.relay), await holder(at.relay), await holder(at.relay)];
  const refused = await finish(third, 'one too many');
  assert.match(refused, /^432 4\.3\.2 STOREDRV/);
  await said(at.upstream, 'QUIT', 1);
  using fourth = await SmtpDialog.open(at.relay.port());
  fourth.write('EHLO x\r\nMAIL FROM:<a@x.test>\r\n');
  assert.equal((await fourth.reply()).code, 250);
  await finish(first, 'x');
  assert.equal((await fourth.reply()).code, 250, 'it had to wait for a hop of the others');
  assert.equal(at.upstream.connections.length, 3);
  for (const client of [first, second, third]) client[Symbol.dispose]();
});

test('replaces a dead hop also where there may be one only and another client waits', LIMIT, async () => {
  await using at = await scene({}, { SEALPOST_POOL_MAX: '1', SEALPOST_CONNECT_TIMEOUT: '5' });
  assert.equal(await sendTo(at.relay), 250);
  using unlucky = await SmtpDialog.open(at.relay.port());
  for (const line of ['EHLO x', 'MAIL FROM:<a@x.test>'])
    assert.equal((await unlucky.command(line)).code, 250);
  const other = sendTo(at.relay);
  at.upstream.connections[0]?.destroy();
  await at.relay.event('hop.closed');
  assert.equal((await unlucky.command('RCPT TO:<b@y.test>')).code, 250);
  assert.equal((await unlucky.command('DATA')).code, 354);
  unlucky.write(`${MESSAGE}\r\n.\r\n`);
  assert.equal((await unlucky.reply()).code, 250);
  assert.equal(await other, 250);
});

test('opens no session for each message that needs what the upstream lacks', LIMIT, async () => {
  await using at = await scene({}, { SEALPOST_REQUIRETLS: 'require', SEALPOST_POOL_MAX: '1' });
  for (let message = 0; message < 10; message += 1) assert.equal(await sendTo(at.relay), 550);
  assert.equal(at.upstream.connections.length, 1);
});

test('counts a session that was told QUIT until it is gone', LIMIT, async () => {
  let sessions = 0;
  const surplus = new Set<Connection>();
  const script: Partial<Script> = {
    keywords: [...GOOD_KEYWORDS, 'LIMITS MAILMAX=1'],
    onConnection: (connection) => {
      sessions += 1;
      if (sessions > 4) surplus.add(connection);
      connection.raw.on('close', () => (sessions -= 1));
    },
    answer: async (line, connection) => {
      if (line.startsWith('EHLO') && surplus.has(connection)) return TOO_MANY;
      if (line === 'QUIT') await new Promise((resolve) => setTimeout(resolve, 10)); // the server is slow to let go
      return undefined;
    },
  };
  await using at = await scene(script, { SEALPOST_POOL_MAX: '4' });
  await allDelivered(at.relay, 24);
  assert.equal(surplus.size, 0);
});

test('prefers the first upstream though it takes fewer sessions than SEALPOST_POOL_MIN', LIMIT, async () => {
  await using second = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using first = await ScriptedUpstream.start({
    mode: 'implicit',
    identity,
    answer: (line) => (line.startsWith('EHLO') && openAt(first) > 2 ? TOO_MANY : undefined),
  });
  const variables = { SEALPOST_UPSTREAM: `${first.url},${second.url}`, SEALPOST_POOL_MIN: '3' };
  await using at = await scene({}, variables);
  await at.relay.event('hop.refused');
  for (let message = 0; message < 3; message += 1) assert.equal(await sendTo(at.relay), 250);
  assert.equal(first.messages.length, 3);
});

test('tells the temporary failure of one upstream, not what the other lacks for good', LIMIT, async () => {
  await using down = await ScriptedUpstream.start({ mode: 'implicit', identity, greeting: CLOSE });
  await using lacking = await ScriptedUpstream.start({ mode: 'implicit', identity });
  const variables = { SEALPOST_UPSTREAM: `${down.url},${lacking.url}`, SEALPOST_REQUIRETLS: 'require' };
  await using at = await scene({}, variables);
  assert.equal(await sendTo(at.relay), 451);
});

/** Sends the content of the transaction that a holder has begun. @returns the verdict */
async function finish(client: SmtpDialog, text: string): Promise<string> {
  assert.equal((await client.command('DATA')).code, 354);
  client.write(`Subject: ${text}\r\n\r\nx\r\n.\r\n`);
  return (await client.reply()).raw;
}
