/**
 * The hops that are kept: ready before they are needed, no more than the upstream wants, replaced before it tires of them,
 * and a failing upstream is not stormed.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
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
  verbsOf,
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
const CHUNKING = [...GOOD_KEYWORDS, 'CHUNKING'];

after(() => authority.remove());

for (const [way, keywords, turns] of [
  ['BDAT', CHUNKING, 2],
  ['DATA', GOOD_KEYWORDS, 3],
] as const) {
  test(`costs ${turns} round trips for a message on a kept hop, by ${way}`, LIMIT, async () => {
    let answered = 0;
    const script: Partial<Script> = {
      keywords,
      // Nothing is answered before the whole flight is there: whoever waits for a reply in between waits for ever.
      answer: (line) => {
        if (line.startsWith('MAIL')) return SILENCE;
        if (/^(?:RCPT|DATA|RSET|NOOP)/.test(line)) answered += 1;
        return line.startsWith('RCPT') ? '250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n' : undefined;
      },
      verdict: () => {
        answered += 1;
        return '250 2.0.0 Queued\r\n';
      },
    };
    await using at = await scene(script);
    assert.equal(await sendTo(at.relay), 250);
    answered = 0;
    assert.equal(await sendTo(at.relay), 250);
    assert.equal(answered, turns);
    assert.equal(at.upstream.connections.length, 1);
  });
}

test('opens SEALPOST_POOL_MIN hops before the first client, and uses them', LIMIT, async () => {
  await using at = await scene({}, { SEALPOST_POOL_MIN: '2' });
  await at.relay.event('hop.secured', () => at.relay.log.filter(isSecured).length === 2);
  assert.equal(await sendTo(at.relay), 250);
  assert.equal(await sendTo(at.relay), 250);
  assert.equal(at.upstream.connections.length, 2);
});

function isSecured({ event }: { readonly event: string }): boolean {
  return event === 'hop.secured';
}

test('keeps the hops of SEALPOST_POOL_MIN alive, and lets the others go', LIMIT, async () => {
  const variables = { SEALPOST_POOL_MIN: '1', SEALPOST_POOL_IDLE_TIMEOUT: '0.5' };
  await using at = await scene({}, variables);
  await allDelivered(at.relay, 4);
  await at.relay.event('hop.closed');
  await said(at.upstream, 'NOOP', 1);
  assert.equal(await sendTo(at.relay), 250);
  const kept = at.upstream.connections.filter(({ closed }) => !closed);
  assert.equal(kept.length, 1);
});

test('replaces a kept hop that the upstream ended, before anybody needs it', LIMIT, async () => {
  await using at = await scene({}, { SEALPOST_POOL_MIN: '1' });
  await at.relay.event('hop.secured');
  at.upstream.connections[0]?.write('421 4.4.2 Idle for too long\r\n');
  at.upstream.connections[0]?.write(CLOSE);
  await at.relay.event('hop.secured', () => at.relay.log.filter(isSecured).length === 2);
  assert.equal(await sendTo(at.relay), 250);
  assert.equal(at.upstream.connections.length, 2);
});

test('says QUIT to a hop that has carried SEALPOST_POOL_MAX_MESSAGES', LIMIT, async () => {
  await using at = await scene({}, { SEALPOST_POOL_MAX_MESSAGES: '2' });
  for (let message = 0; message < 4; message += 1) assert.equal(await sendTo(at.relay), 250);
  await said(at.upstream, 'QUIT', 2);
  const one = 'EHLO MAIL RCPT DATA MAIL RCPT DATA QUIT';
  assert.deepEqual(at.upstream.connections.map(verbsOf), [one, one]);
});

test('replaces a hop that is older than SEALPOST_POOL_MAX_AGE', LIMIT, async () => {
  await using at = await scene({}, { SEALPOST_POOL_MAX_AGE: '0.5' });
  assert.equal(await sendTo(at.relay), 250);
  await at.relay.event('hop.closed');
  assert.equal(await sendTo(at.relay), 250);
  assert.deepEqual(at.upstream.connections.map(verbsOf), ['EHLO MAIL RCPT DATA QUIT', 'EHLO MAIL RCPT DATA']);
});

test('has no more hops than SEALPOST_POOL_MAX, and lets the others wait', LIMIT, async () => {
  let most = 0;
  const script: Partial<Script> = {
    onConnection: () => (most = Math.max(most, open())),
  };
  await using at = await scene(script, { SEALPOST_POOL_MAX: '2' });
  function open(): number {
    return openAt(at.upstream);
  }
  await allDelivered(at.relay, 12);
  assert.equal(most, 2);
  assert.equal(at.upstream.connections.length, 2);
});

test('refuses with 451 4.4.5 whoever has waited too long for a hop', LIMIT, async () => {
  const variables = { SEALPOST_POOL_MAX: '1', SEALPOST_CONNECT_TIMEOUT: '1' };
  await using at = await scene({}, variables);
  using held = await holder(at.relay);
  using client = await SmtpDialog.open(at.relay.port());
  const refused = await client.send(MESSAGE);
  assert.match(refused.raw, /^451 4\.4\.5 /);
  assert.equal((await held.command('RSET')).code, 250);
  assert.equal((await client.send(MESSAGE)).code, 250);
});

test('asks for no more sessions than the upstream has shown to take', LIMIT, async () => {
  const surplus = new Set<Connection>();
  const script: Partial<Script> = {
    onConnection: (connection) => openAt(at.upstream) > 3 && surplus.add(connection),
    answer: (line, connection) =>
      line.startsWith('EHLO') && surplus.has(connection) ? '421 4.7.0 Too many sessions\r\n' : undefined,
  };
  await using at = await scene(script);
  using _held = await holder(at.relay);
  await allDelivered(at.relay, 20);
  const refused = surplus.size;
  await allDelivered(at.relay, 20);
  assert.ok(surplus.size - refused <= 2, `${refused} refused at first, then ${surplus.size - refused} more`);
});

const LIMITS: readonly (readonly [told: string, seen: readonly string[]])[] = [
  ['LIMITS MAILMAX=2', ['EHLO MAIL RCPT DATA MAIL RCPT DATA QUIT', 'EHLO MAIL RCPT DATA']],
  [
    'LIMITS RCPTDOMAINMAX=5',
    ['EHLO MAIL RCPT DATA QUIT', 'EHLO MAIL RCPT DATA QUIT', 'EHLO MAIL RCPT DATA QUIT'],
  ],
  ['LIMITS MAILMAX=0 FOO RCPTMAX=x', ['EHLO MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA']],
];

for (const [told, seen] of LIMITS) {
  test(`carries as many messages in a session as ${told} allows`, LIMIT, async () => {
    await using at = await scene({ keywords: [...GOOD_KEYWORDS, told] });
    for (let message = 0; message < 3; message += 1) assert.equal(await sendTo(at.relay), 250);
    await said(at.upstream, 'QUIT', seen.filter((one) => one.endsWith('QUIT')).length);
    assert.deepEqual(at.upstream.connections.map(verbsOf), seen);
  });
}

test('sends up no more recipients and domains than LIMITS allows', LIMIT, async () => {
  await using at = await scene({ keywords: [...GOOD_KEYWORDS, 'LIMITS RCPTMAX=3 RCPTDOMAINMAX=2'] });
  using client = await SmtpDialog.open(at.relay.port());
  const lines = [
    'EHLO x',
    'MAIL FROM:<a@x.test>',
    ...['a@1.test', 'b@2.test', 'c@3.test', 'd@1.TEST', 'e@2.test'].map(to),
  ];
  const codes: number[] = [];
  for (const line of lines) codes.push((await client.command(line)).code);
  assert.deepEqual(codes, [250, 250, 250, 250, 452, 250, 452]);
  assert.equal(at.upstream.commands.filter((line) => line.startsWith('RCPT')).length, 3);
});

function to(address: string): string {
  return `RCPT TO:<${address}>`;
}

test('tries a failing upstream once for all who wait, and not in a storm', LIMIT, async () => {
  const stranger = new TestAuthority();
  await using at = await scene({ identity: stranger.issue({ san: 'DNS:localhost' }) });
  const clients = 20;
  const each = 5;
  const refused = await Promise.all(
    Array.from({ length: clients }, async () => {
      const codes: number[] = [];
      for (let message = 0; message < each; message += 1) codes.push(await sendTo(at.relay));
      return codes;
    }),
  );
  assert.deepEqual(
    refused.flat(),
    Array.from({ length: clients * each }, () => 451),
  );
  // Ten at most before the first failure is known, then one at a time.
  assert.ok(at.upstream.connections.length <= 10 + 2 * each, `${at.upstream.connections.length} connections`);
  at.upstream.play({ mode: 'implicit', identity });
  assert.equal(await sendTo(at.relay), 250);
  stranger.remove();
});

test('forgets a client that left while it waited for a hop', LIMIT, async () => {
  const held: Connection[] = [];
  const script: Partial<Script> = {
    answer: (line, connection) => {
      if (!line.startsWith('EHLO') || held.length > 0) return undefined;
      held.push(connection);
      return SILENCE;
    },
  };
  await using at = await scene(script, { SEALPOST_POOL_MAX: '1' });
  const client = await SmtpDialog.open(at.relay.port());
  await client.command('EHLO x');
  client.write('MAIL FROM:<a@x.test>\r\n');
  await said(at.upstream, 'EHLO', 1);
  client.socket.resetAndDestroy();
  await at.relay.event('session.closed');
  held[0]?.write('250 upstream.test\r\n');
  await at.relay.event('hop.secured');
  assert.equal(await sendTo(at.relay), 250);
  assert.equal(at.upstream.connections.length, 1);
});

test('sends mail to the next upstream while one fails, and back when it is well', LIMIT, async () => {
  const stranger = new TestAuthority();
  await using second = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using first = await ScriptedUpstream.start({
    mode: 'implicit',
    identity: stranger.issue({ san: 'DNS:localhost' }),
  });
  await using at = await scene({}, { SEALPOST_UPSTREAM: `${first.url},${second.url}` });
  for (let message = 0; message < 5; message += 1) assert.equal(await sendTo(at.relay), 250);
  assert.equal(second.messages.length, 5);
  first.play({ mode: 'implicit', identity });
  while (first.messages.length === 0) assert.equal(await sendTo(at.relay), 250);
  stranger.remove();
});

test(
  'lends the hop of a client that is silent behind MAIL, and gives it back when the client goes on',
  LIMIT,
  async () => {
    await using at = await scene({}, { SEALPOST_POOL_MAX: '1' });
    using silent = await SmtpDialog.open(at.relay.port());
    await silent.command('EHLO silent.test');
    assert.equal((await silent.command('MAIL FROM:<silent@x.test>')).code, 250);
    assert.equal(await sendTo(at.relay), 250);
    assert.equal(at.upstream.connections.length, 1);
    assert.equal((await silent.command('RCPT TO:<b@y.test>')).code, 250);
    assert.equal((await silent.command('DATA')).code, 354);
    silent.write(`${MESSAGE}\r\n.\r\n`);
    assert.equal((await silent.reply()).code, 250);
    assert.deepEqual(
      at.upstream.messages.map(({ mail }) => /<.*?>/.exec(mail)?.[0]),
      ['<a@x.test>', '<silent@x.test>'],
    );
  },
);

test('keeps nothing of a lent hop whose client leaves', LIMIT, async () => {
  await using at = await scene({}, { SEALPOST_POOL_MAX: '1' });
  {
    using silent = await SmtpDialog.open(at.relay.port());
    await silent.command('EHLO silent.test');
    assert.equal((await silent.command('MAIL FROM:<silent@x.test>')).code, 250);
    assert.equal(await sendTo(at.relay), 250);
  }
  await at.relay.event('session.closed', (line) => line['messages'] === 0);
  await allDelivered(at.relay, 3);
  assert.equal(at.upstream.connections.length, 1);
});
