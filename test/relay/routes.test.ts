/**
 * Several upstreams: each message to the one that the rules lead to, under that one's trust and login.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { accepted } from '../support/relay-test-bed.ts';
import { runSealpost, startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { ScriptedUpstream, SILENCE, type Script } from '../support/scripted-upstream.ts';
import { SendmailCommand } from '../support/sendmail-command.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const PASSWORDS = {
  MAIN: 'canary-main-6f1e',
  BULK: 'canary-bulk-93ab',
  SHOP: 'canary-shop-c07d',
  BAD: 'canary-bad-1b5c',
};
type Name = keyof typeof PASSWORDS;
const NAMES = ['MAIN', 'BULK', 'SHOP', 'BAD'] as const;

const ROUTES = `
from=@bulk.test -> bulk
from=@refused.test -> refuse "Not from there."
to=@shop.test -> SHOP
to=@bad.test -> BAD
to=@refused.test -> refuse "Not to there."
client=192.0.2.0/24 -> BAD
client=127.0.0.0/8 from=@local.test -> bulk
`;

const authorities: TestAuthority[] = [];
const upstreams: ScriptedUpstream[] = [];
let answer: Script['answer'];
let variables: Variables;
let relay: RelayProcess;

function upstream(name: Name): ScriptedUpstream {
  const found = upstreams[NAMES.indexOf(name)];
  if (found === undefined) throw new Error(`${name} has not started`);
  return found;
}

before(async () => {
  // What BAD shows comes from the authority of BULK, which is none for it.
  authorities.push(...['MAIN', 'BULK', 'SHOP'].map((name) => new TestAuthority(`${name} CA`)));
  for (const authority of [...authorities, authorities[1]]) {
    if (authority === undefined) throw new Error('there is no such authority');
    upstreams.push(
      await ScriptedUpstream.start({
        mode: 'implicit',
        identity: authority.issue(),
        answer: (line, at) => answer?.(line, at),
      }),
    );
  }
  variables = {
    SEALPOST_UPSTREAM: upstream('MAIN').url,
    SEALPOST_UPSTREAM_USER: 'main-user',
    SEALPOST_UPSTREAM_PASSWORD: PASSWORDS.MAIN,
    SEALPOST_TLS_CA_FILE: authorities[0]?.caFile,
    SEALPOST_ROUTES: ROUTES,
    SEALPOST_LOCAL_DOMAIN: 'bulk.test',
    SEALPOST_UPSTREAM_BULK_URL: upstream('BULK').url,
    SEALPOST_UPSTREAM_BULK_USER: 'bulk-user',
    SEALPOST_UPSTREAM_BULK_PASSWORD: PASSWORDS.BULK,
    SEALPOST_UPSTREAM_BULK_CA_FILE: authorities[1]?.caFile,
    SEALPOST_UPSTREAM_SHOP_URL: upstream('SHOP').url.replace('//', `//shop-user:${PASSWORDS.SHOP}@`),
    SEALPOST_UPSTREAM_SHOP_CA_FILE: authorities[2]?.caFile,
    SEALPOST_UPSTREAM_BAD_URL: upstream('BAD').url,
    SEALPOST_UPSTREAM_BAD_USER: 'bad-user',
    SEALPOST_UPSTREAM_BAD_PASSWORD: PASSWORDS.BAD,
    SEALPOST_LOG_LEVEL: 'debug',
  };
  relay = await startRelay(variables);
});

afterEach(() => {
  answer = undefined;
});
after(async () => {
  await relay.stop();
  for (const one of upstreams) await one[Symbol.asyncDispose]();
  for (const authority of authorities) authority.remove();
});

async function client(): Promise<SmtpDialog> {
  const dialog = await SmtpDialog.open(relay.port());
  await accepted(dialog, 'EHLO client.test');
  return dialog;
}

/** What the upstream got since, by its recipients. */
function messagesSince(name: Name, earlier: number): readonly string[] {
  return upstream(name)
    .messages.slice(earlier)
    .map(({ rcpts }) => rcpts.map((line) => /<(.*)>/.exec(line)?.[1]).join(' '));
}

function counts(): Readonly<Record<Name, number>> {
  const [MAIN = 0, BULK = 0, SHOP = 0, BAD = 0] = upstreams.map(({ messages }) => messages.length);
  return { MAIN, BULK, SHOP, BAD };
}

async function codes(dialog: SmtpDialog, count: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let reply = 0; reply < count; reply += 1) found.push((await dialog.reply()).code);
  return found;
}

for (const [why, from, to, name] of [
  ['that no rule is about', 'a@x.test', 'b@y.test', 'MAIN'],
  ['by its sender', 'a@bulk.test', 'b@y.test', 'BULK'],
  ['by its sender before its recipient', 'a@bulk.test', 'b@shop.test', 'BULK'],
  ['by its recipient', 'a@x.test', 'b@SHOP.test', 'SHOP'],
  ['by its bare sender', 'root', 'b@y.test', 'BULK'],
  ['by its client and sender', 'a@local.test', 'b@y.test', 'BULK'],
] as const) {
  test(`sends a message ${why} to ${name}, logged in as that one's user`, LIMIT, async () => {
    const earlier = counts();
    using dialog = await SmtpDialog.open(relay.port());
    const reply = await dialog.send('Subject: x\r\n\r\nHello', from, to);
    assert.equal(reply.code, 250, reply.raw);
    for (const one of NAMES)
      assert.deepEqual(messagesSince(one, earlier[one]), one === name ? [to] : [], one);
  });
}

test('offers to each upstream its own login and that of no other', LIMIT, () => {
  for (const name of ['MAIN', 'BULK', 'SHOP'] as const) {
    const logins = upstream(name).commands.filter((line) => line.startsWith('AUTH PLAIN '));
    assert.ok(logins.length > 0, name);
    for (const login of logins) {
      const said = Buffer.from(login.slice('AUTH PLAIN '.length), 'base64').toString();
      assert.equal(said, `\0${name.toLowerCase()}-user\0${PASSWORDS[name]}`);
    }
  }
});

test(
  'refuses a recipient whose upstream cannot be secured before any content, and says what to fix',
  LIMIT,
  async () => {
    using dialog = await client();
    await accepted(dialog, 'MAIL FROM:<a@x.test>');
    const reply = await dialog.command('RCPT TO:<b@bad.test>');
    assert.match(reply.raw, /^451 4\.7\.5 .*SEALPOST_UPSTREAM_BAD_CA_FILE/);
    assert.equal((await dialog.command('DATA')).code, 554);
    assert.equal(upstream('BAD').secured, '', 'not even an EHLO');
  },
);

test('sends to another upstream in the same transaction when one cannot be secured', LIMIT, async () => {
  const earlier = counts();
  using dialog = await client();
  await accepted(dialog, 'MAIL FROM:<a@x.test>');
  dialog.write('RCPT TO:<b@bad.test>\r\nRCPT TO:<c@shop.test>\r\nRCPT TO:<d@bad.test>\r\nDATA\r\n');
  assert.deepEqual(await codes(dialog, 4), [451, 250, 451, 354]);
  dialog.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await dialog.reply()).code, 250);
  assert.deepEqual(messagesSince('SHOP', earlier.SHOP), ['c@shop.test']);
});

test('tells a client to send next to recipients that need another upstream', LIMIT, async () => {
  const earlier = counts();
  using dialog = await client();
  await accepted(dialog, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  const other = await dialog.command('RCPT TO:<c@shop.test>');
  assert.match(other.raw, /^452 4\.5\.3 .*send/);
  await accepted(dialog, 'RCPT TO:<d@y.test>', 'DATA');
  dialog.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await dialog.reply()).code, 250);
  await accepted(dialog, 'MAIL FROM:<a@x.test>', 'RCPT TO:<c@shop.test>', 'RSET');
  await accepted(dialog, 'MAIL FROM:<a@x.test>', 'RCPT TO:<c@shop.test>', 'DATA');
  dialog.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await dialog.reply()).code, 250);
  assert.deepEqual(messagesSince('MAIN', earlier.MAIN), ['b@y.test d@y.test']);
  assert.deepEqual(messagesSince('SHOP', earlier.SHOP), ['c@shop.test']);
});

test('sends to another upstream when the first has refused all its recipients', LIMIT, async () => {
  const earlier = counts();
  answer = (line) => (/^RCPT TO:<(?:no\d)@/.test(line) ? '550 5.1.1 No such user\r\n' : undefined);
  using dialog = await client();
  const recipients = ['no1@shop.test', 'b@y.test', 'no2@shop.test', 'no3@y.test', 'c@shop.test'];
  dialog.write(['MAIL FROM:<a@x.test>', ...recipients.map((to) => `RCPT TO:<${to}>`), ''].join('\r\n'));
  assert.deepEqual(await codes(dialog, 6), [250, 550, 452, 550, 452, 250], 'c is on its way when b asks');
  await accepted(dialog, 'RSET', 'MAIL FROM:<a@x.test>');
  for (const [to, code] of [
    ['no1@shop.test', 550],
    ['no2@shop.test', 550],
    ['b@y.test', 250],
    ['c@shop.test', 452],
  ] as const) {
    assert.equal((await dialog.command(`RCPT TO:<${to}>`)).code, code, to);
  }
  await accepted(dialog, 'DATA');
  dialog.write('Subject: x\r\n\r\nHello\r\n.\r\n');
  assert.equal((await dialog.reply()).code, 250);
  assert.deepEqual(messagesSince('MAIN', earlier.MAIN), ['b@y.test']);
  assert.deepEqual(messagesSince('SHOP', earlier.SHOP), []);
});

test('lets a client that sends what is left next reach the recipients of all upstreams', LIMIT, async () => {
  const earlier = counts();
  using command = new SendmailCommand(relay.port());
  const recipients = ['b@y.test', 'c@shop.test', 'd@y.test', 'e@shop.test'];
  const run = await command.sendmail(['-f', 'a@x.test', ...recipients], { input: 'Subject: x\n\nHello\n' });
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(messagesSince('MAIN', earlier.MAIN), ['b@y.test d@y.test']);
  assert.deepEqual(messagesSince('SHOP', earlier.SHOP), ['c@shop.test e@shop.test']);
});

test('lets such a client reach them also when another upstream refuses the message', LIMIT, async () => {
  const earlier = counts();
  answer = (line, at) =>
    line === 'DATA' && upstream('MAIN').connections.includes(at)
      ? '554 5.7.1 Looks like spam\r\n'
      : undefined;
  using command = new SendmailCommand(relay.port());
  const run = await command.sendmail(['b@y.test', 'c@shop.test'], { input: 'Subject: x\n\nHello\n' });
  assert.equal(run.code, 77);
  assert.match(run.stderr, /554 5\.7\.1 Looks like spam\n.*1 of 2 recipients have got the message/);
  assert.deepEqual(messagesSince('SHOP', earlier.SHOP), ['c@shop.test']);
});

test(
  'sends MAIL and pipelined recipients in one flight also where the first recipient decides',
  LIMIT,
  async () => {
    const last = 'RCPT TO:<e@shop.test>';
    answer = (line) => {
      if (line === last) return '250 2.1.0 Yes\r\n250 2.1.5 Yes\r\n550 5.1.1 No\r\n250 2.1.5 Yes\r\n';
      return /^(?:MAIL|RCPT)/.test(line) ? SILENCE : undefined;
    };
    using dialog = await client();
    const lines = [
      'MAIL FROM:<a@x.test>',
      'RCPT TO:<b@shop.test>',
      'RCPT TO:<c@y.test>',
      'RCPT TO:<d@shop.test>',
      last,
    ];
    dialog.write([...lines, 'DATA', ''].join('\r\n'));
    assert.deepEqual(await codes(dialog, 6), [250, 250, 452, 550, 250, 354]);
    dialog.write('Subject: x\r\n\r\nHello\r\n.\r\n');
    assert.equal((await dialog.reply()).code, 250);
  },
);

test('refuses what a rule refuses: a sender at MAIL, a recipient alone', LIMIT, async () => {
  using dialog = await client();
  assert.match((await dialog.command('MAIL FROM:<a@refused.test>')).raw, /^550 5\.7\.1 Not from there\.$/);
  await accepted(dialog, 'MAIL FROM:<a@x.test>');
  assert.match((await dialog.command('RCPT TO:<b@refused.test>')).raw, /^550 5\.7\.1 Not to there\.$/);
  await accepted(dialog, 'RCPT TO:<b@y.test>', 'RSET');
});

test('sends the mail of a user who logged in to where the rules say', LIMIT, async () => {
  const earlier = counts();
  using command = new SendmailCommand(0);
  await using other = await startRelay({
    ...variables,
    SEALPOST_CLIENT_AUTH: 'users',
    SEALPOST_CLIENT_USERS_FILE: command.file('users', 'alice:{PLAIN}secret\nbob:{PLAIN}secret\n', 0o600),
    SEALPOST_ROUTES: 'user=alice -> shop\nuser=* -> bulk\n',
  });
  for (const [user, to] of [
    ['alice', 'b@y.test'],
    ['bob', 'c@y.test'],
  ] as const) {
    using dialog = await SmtpDialog.open(other.port());
    const response = Buffer.from(`\0${user}\0secret`).toString('base64');
    await accepted(dialog, 'EHLO client.test', `AUTH PLAIN ${response}`);
    const reply = await dialog.send('Subject: x\r\n\r\nHello', 'a@x.test', to);
    assert.equal(reply.code, 250, reply.raw);
  }
  assert.deepEqual(messagesSince('SHOP', earlier.SHOP), ['b@y.test']);
  assert.deepEqual(messagesSince('BULK', earlier.BULK), ['c@y.test']);
});

test('checks all upstreams, those with a name too', LIMIT, async () => {
  const run = runSealpost(['check', '--no-color'], { ...variables, SEALPOST_LOG_LEVEL: undefined });
  await once(run.child, 'close');
  assert.equal(run.child.exitCode, 69, 'one of them cannot be secured');
  for (const { port } of upstreams) assert.ok(run.output.includes(`:${port}`), run.output);
  const bad = Object.keys(variables).filter((name) => name.startsWith('SEALPOST_UPSTREAM_BAD_'));
  const without = Object.fromEntries(bad.map((name) => [name, undefined]));
  const rest = runSealpost(['check'], { ...variables, ...without, SEALPOST_ROUTES: 'to=@shop.test -> SHOP' });
  await once(rest.child, 'close');
  assert.equal(rest.child.exitCode, 0, rest.output);
});

test('shows no password of any upstream', LIMIT, async () => {
  const run = runSealpost(['config'], variables);
  await once(run.child, 'close');
  assert.match(run.output, /SEALPOST_UPSTREAM_BULK_PASSWORD=\[secret\]/);
  for (const password of Object.values(PASSWORDS))
    assert.ok(!run.output.includes(password) && !relay.output.includes(password));
});
