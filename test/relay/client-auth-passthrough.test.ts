/**
 * Clients that log in at the upstream, through the relay, with their own names and passwords.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { RelayTestBed, accepted, type Play, type Scene } from '../support/relay-test-bed.ts';
import type { DialogReply, SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const PASSTHROUGH = { SEALPOST_CLIENT_AUTH: 'passthrough', SEALPOST_LOG_LEVEL: 'debug' };
const bed = await RelayTestBed.start({ variables: PASSTHROUGH });
after(async () => bed.stop());

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (user: string, password: string): string => `AUTH PLAIN ${base64(`\0${user}\0${password}`)}`;

async function logIn(
  user: string,
  password: string,
  at = bed,
): Promise<{ client: SmtpDialog; reply: DialogReply }> {
  const client = await at.client();
  await client.command('EHLO client.test');
  return { client, reply: await client.command(plain(user, password)) };
}

function logins(scene: Scene): readonly string[] {
  return scene.commands.filter((line) => line.startsWith('AUTH'));
}

async function sendOne(client: SmtpDialog): Promise<void> {
  await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
  assert.equal((await client.command('Subject: x\r\n\r\ny\r\n.')).code, 250);
}

function refusing(reply: string): Play {
  return { answer: (line) => (line.startsWith('AUTH') ? `${reply}\r\n` : undefined) };
}

test('takes no mail without a login', LIMIT, async () => {
  bed.begin();
  using client = await bed.client();
  await client.command('EHLO client.test');
  assert.match((await client.command('MAIL FROM:<a@x.test>')).raw, /^530 5\.7\.0 /);
});

test('logs in upstream with what the client presents, and delivers on that hop', LIMIT, async () => {
  const scene = bed.begin();
  const { client, reply } = await logIn('ann', 'secret-1');
  assert.equal(reply.code, 235);
  assert.deepEqual(logins(scene), [plain('ann', 'secret-1')]);
  await sendOne(client);
  client.close();
  assert.equal(logins(scene).length, 1);
});

test('serves a later session with the same name and password on the hop that stands', LIMIT, async () => {
  const scene = bed.begin();
  for (let count = 0; count < 3; count += 1) {
    const { client, reply } = await logIn('bob', 'secret-2');
    assert.equal(reply.code, 235);
    await sendOne(client);
    client.close();
  }
  assert.equal(logins(scene).length, 1);
});

test('asks the upstream anew for every other name or password', LIMIT, async () => {
  const scene = bed.begin();
  const pairs = [
    ['carl', 'secret'],
    ['carl', 'Secret'],
    ['carl', 'secret '],
    ['Carl', 'secret'],
    ['car', 'lsecret'],
    ['carl:s', 'ecret'],
    ['6:carl', 'secret'],
  ] as const;
  for (const [user, password] of pairs) (await logIn(user, password)).client.close();
  assert.deepEqual(
    logins(scene),
    pairs.map(([user, password]) => plain(user, password)),
  );
});

test('keeps the mail of two users on the hops of each', LIMIT, async () => {
  const users = new Map<unknown, string>();
  const mail: string[] = [];
  bed.begin({
    answer: (line, at) => {
      const [, said] = /^AUTH PLAIN (.+)$/.exec(line) ?? [];
      if (said !== undefined) users.set(at, Buffer.from(said, 'base64').toString().split('\0')[1] ?? '');
      if (line.startsWith('MAIL')) mail.push(`${users.get(at)} ${line}`);
      return undefined;
    },
  });
  const one = await logIn('dora', 'd');
  const two = await logIn('emil', 'e');
  for (const [{ client }, name] of [
    [one, 'dora'],
    [two, 'emil'],
    [one, 'dora'],
  ] as const) {
    await accepted(client, `MAIL FROM:<${name}@x.test>`, 'RCPT TO:<b@y.test>', 'RSET');
  }
  one.client.close();
  two.client.close();
  assert.deepEqual(
    mail.map((line) => line.replace(/^(\w+) MAIL FROM:<(\w+)@.*$/, '$1 $2')),
    ['dora dora', 'emil emil', 'dora dora'],
  );
});

for (const said of [
  '535 5.7.8 Bad credentials',
  '534-5.7.9 Use an\r\n534 5.7.9 app password',
  '454 4.7.0 Later',
]) {
  test(`gives the client the upstream's own ${said.slice(0, 3)}`, LIMIT, async () => {
    bed.begin(refusing(said));
    const { client, reply } = await logIn('fred', `wrong ${said.slice(0, 3)}`);
    assert.equal(reply.raw, said.replaceAll('\r\n', '\n'));
    assert.equal((await client.command('MAIL FROM:<a@x.test>')).code, 530);
    client.close();
  });
}

test('lets a client correct its password, and keeps nothing of the wrong one', LIMIT, async () => {
  const scene = bed.begin(refusing('535 5.7.8 No'));
  const { client } = await logIn('gina', 'wrong');
  bed.begin();
  await accepted(client, plain('gina', 'right'));
  client.close();
  const again = bed.begin(refusing('535 5.7.8 No'));
  const { client: other, reply } = await logIn('gina', 'wrong');
  other.close();
  assert.equal(reply.code, 535);
  assert.deepEqual(logins(again), logins(scene));
});

test(
  'asks an upstream for a few logins at a time, and for none of a client that fails on and on',
  LIMIT,
  async () => {
    await using crowded = await RelayTestBed.start({ variables: PASSTHROUGH });
    const enough = Promise.withResolvers<void>();
    let underWay = 0;
    let most = 0;
    const scene = crowded.begin({
      answer: async (line) => {
        if (!line.startsWith('AUTH')) return undefined;
        most = Math.max(most, (underWay += 1));
        if (underWay === 20) enough.resolve();
        await enough.promise;
        underWay -= 1;
        return '535 5.7.8 No\r\n';
      },
    });
    const guessers = await Promise.all(Array.from({ length: 150 }, async () => crowded.client()));
    const codes = await Promise.all(
      guessers.map(async (client, index) => {
        await client.command('EHLO client.test');
        return (await client.command(plain(`guess${index}`, 'no'))).code;
      }),
    );
    for (const client of guessers) client.close();
    const asked = logins(scene).length;
    assert.equal(most, 20);
    // Those that are under way when the last failure is counted are asked for too.
    assert.ok(asked >= 100 && asked <= 120, `${asked} times`);
    assert.equal(codes.filter((code) => code === 535).length, asked);
    assert.equal(codes.filter((code) => code === 454).length, 150 - asked);
  },
);

test('tells a client whose login the upstream has ceased to take to log in again', LIMIT, async () => {
  bed.begin();
  const { client } = await logIn('kurt', 'x');
  await sendOne(client);
  bed.begin(refusing('535 5.7.8 Account disabled'));
  await bed.upstream.hangUp();
  const reply = await client.command('MAIL FROM:<a@x.test>');
  client.close();
  assert.match(reply.raw, /^454 4\.7\.0 .*log in again.*535 5\.7\.8 Account disabled/);
  assert.doesNotMatch(reply.raw, /SEALPOST_/);
});

test('hangs up on nobody because the upstream does', LIMIT, async () => {
  bed.begin(refusing('421 4.7.0 Too many sessions'));
  const { client, reply } = await logIn('hans', 'x');
  assert.match(reply.raw, /^454 4\.7\.0 .*Too many sessions/);
  await accepted(client, 'NOOP');
  client.close();
});

test('asks no upstream for a name or password that no login can carry', LIMIT, async () => {
  const scene = bed.begin();
  const { client, reply } = await logIn('', 'x');
  assert.equal(reply.code, 535);
  client.close();
  assert.deepEqual(logins(scene), []);
});

test('tells the client at AUTH that the hop is not secure, and sends no password', LIMIT, async () => {
  await using stranger = await RelayTestBed.start({
    variables: { ...PASSTHROUGH, SEALPOST_TLS_CA_FILE: undefined },
  });
  const scene = stranger.begin();
  const { client, reply } = await logIn('ida', 'secret-3', stranger);
  assert.match(reply.raw, /^451 4\.7\.5 /);
  client.close();
  assert.deepEqual(scene.commands, []);
  assert.ok(!stranger.upstream.clear.includes(base64('\0ida\0secret-3')));
});

test('forgets an account that nobody uses, and its hop with it', LIMIT, async () => {
  await using brief = await RelayTestBed.start({
    variables: { ...PASSTHROUGH, SEALPOST_POOL_IDLE_TIMEOUT: '1' },
  });
  brief.begin();
  (await logIn('jan', 'x', brief)).client.close();
  await brief.upstream.idle();
});

test('tells neither password nor AUTH line in its log', LIMIT, async () => {
  bed.begin(refusing(`535 5.7.8 you said ${base64('\0canary-u\0canary-p')} and canary-p`));
  const { client, reply } = await logIn('canary-u', 'canary-p');
  client.close();
  assert.doesNotMatch(reply.raw, /canary-p/);
  assert.doesNotMatch(bed.relay.output, /canary-p|secret-1/);
  assert.ok(!bed.relay.output.includes(base64('\0ann\0secret-1')));
  assert.ok(!bed.relay.output.includes(base64('\0canary-u\0canary-p')));
});
