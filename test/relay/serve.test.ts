/**
 * The life of `sealpost serve`: how it starts, what it logs, how it stops.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { runSealpost, startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { RelayTestBed, accepted } from '../support/relay-test-bed.ts';
import { ScriptedUpstream, type Script } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 30_000 };
const CANARY = 'canary-7f3a9c';
const authority = new TestAuthority();
const identity = authority.issue();
after(() => authority.remove());

interface Pair extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly relay: RelayProcess;
}

async function startPair(variables: Variables = {}, script: Partial<Script> = {}): Promise<Pair> {
  const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
  const relay = await startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    ...variables,
  });
  const dispose = async (): Promise<void> => {
    await relay.stop();
    await upstream[Symbol.asyncDispose]();
  };
  return { upstream, relay, [Symbol.asyncDispose]: dispose };
}

function plainLogin(upstream: ScriptedUpstream): string {
  const said = upstream.commands.find((line) => line.startsWith('AUTH PLAIN '));
  return Buffer.from(said?.slice('AUTH PLAIN '.length) ?? '', 'base64').toString();
}

test('logs its configuration without a secret, then where it listens', LIMIT, async () => {
  await using pair = await startPair({
    SEALPOST_UPSTREAM_USER: 'mailer',
    SEALPOST_UPSTREAM_PASSWORD: CANARY,
    SEALPOST_MAX_MESSAGE_SIZE: '1234567',
    SEALPOST_LOG_LEVEL: 'debug',
  });
  const { relay, upstream } = pair;
  const names = relay.log.map((line) => line.event);
  assert.ok(
    names.indexOf('config.loaded') >= 0 && names.indexOf('config.loaded') < names.indexOf('listener.started'),
  );
  const loaded = JSON.stringify(relay.log.find((line) => line.event === 'config.loaded'));
  assert.ok(loaded.includes('1234567'));
  const started = await relay.event('listener.started');
  assert.equal(started['host'], '127.0.0.1');
  using client = await SmtpDialog.open(relay.port());
  assert.equal((await client.send('Subject: x\r\n\r\ncontent-canary')).code, 250);
  assert.ok(upstream.commands.some((line) => line.startsWith('AUTH PLAIN ')));
  await relay.stop();
  for (const secret of [CANARY, Buffer.from(`\0mailer\0${CANARY}`).toString('base64'), 'content-canary']) {
    assert.ok(!relay.output.includes(secret), secret);
  }
});

test('reads the password from a file and takes one line end off it', LIMIT, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sealpost-serve-'));
  const file = join(directory, 'password');
  writeFileSync(file, ` ${CANARY}\u00e4 \n`, { mode: 0o600 });
  await using pair = await startPair({
    SEALPOST_UPSTREAM_USER: 'mailer',
    SEALPOST_UPSTREAM_PASSWORD_FILE: file,
  });
  using client = await SmtpDialog.open(pair.relay.port());
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
  assert.equal(plainLogin(pair.upstream), `\0mailer\0 ${CANARY}\u00e4 `);
  await pair.relay.stop();
  assert.ok(!pair.relay.output.includes(CANARY));
  rmSync(directory, { recursive: true });
});

test('hides a password that is part of SEALPOST_UPSTREAM', LIMIT, async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
  const url = `smtps://mailer:${CANARY}%40@localhost:${upstream.port}`;
  await using relay = await startRelay({ SEALPOST_UPSTREAM: url, SEALPOST_TLS_CA_FILE: authority.caFile });
  using client = await SmtpDialog.open(relay.port());
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
  assert.equal(plainLogin(upstream), `\0mailer\0${CANARY}@`);
  await relay.stop();
  assert.ok(!relay.output.includes(CANARY));
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`stops on ${signal} with exit code 0`, LIMIT, async () => {
    await using pair = await startPair();
    const { relay } = pair;
    using client = await SmtpDialog.open(relay.port());
    assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
    const exited = once(relay.child, 'exit');
    relay.child.kill(signal);
    assert.match(await client.ended(), /^421 4\.3\.2 /);
    assert.deepEqual(await exited, [0, null]);
  });

  test(
    `lets a transaction in progress end on ${signal}, tells idle clients and takes no new ones`,
    LIMIT,
    async () => {
      await using pair = await startPair();
      const { relay, upstream } = pair;
      const port = relay.port();
      using idle = await SmtpDialog.open(port);
      await accepted(idle, 'EHLO idle.test');
      using busy = await SmtpDialog.open(port);
      await accepted(busy, 'EHLO busy.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
      busy.write('Subject: first half\r\n\r\n');
      const exited = once(relay.child, 'exit');
      relay.child.kill(signal);
      assert.match(await idle.ended(), /^421 4\.3\.2 /);
      await assert.rejects(SmtpDialog.openSilently(port), { code: 'ECONNREFUSED' });
      busy.write('second half\r\n.\r\n');
      assert.equal((await busy.reply()).raw, '250 2.0.0 Queued as 4711');
      assert.match(await busy.ended(), /^(?:421 4\.3\.2 [^\n]*\n)?$/);
      assert.deepEqual(await exited, [0, null]);
      assert.equal(upstream.messages.length, 1);
    },
  );
}

test('waits for the verdict of a message that was sent when SIGTERM came', LIMIT, async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: verdict, resolve: decide } = Promise.withResolvers<string>();
  await using pair = await startPair(
    {},
    {
      verdict: async () => {
        ask();
        return verdict;
      },
    },
  );
  const { relay } = pair;
  using idle = await SmtpDialog.open(relay.port());
  using client = await SmtpDialog.open(relay.port());
  const sent = client.send('Subject: x\r\n\r\nHello');
  await asked;
  const exited = once(relay.child, 'exit');
  relay.child.kill('SIGTERM');
  await idle.ended();
  decide('250 2.0.0 Late but there\r\n');
  assert.equal((await sent).raw, '250 2.0.0 Late but there');
  assert.deepEqual(await exited, [0, null]);
});

test('says QUIT to warm hops when it stops', LIMIT, async () => {
  await using pair = await startPair();
  const { relay, upstream } = pair;
  using client = await SmtpDialog.open(relay.port());
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
  await relay.stop();
  await upstream.idle();
  assert.equal(upstream.commands.at(-1), 'QUIT');
});

test('says clearly that its address is taken', LIMIT, async () => {
  await using taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const relay = runSealpost(['serve'], {
    SEALPOST_UPSTREAM: 'smtps://mail.example.test',
    SEALPOST_LISTEN: `127.0.0.1:${port}`,
    SEALPOST_HOSTNAME: 'relay.example.test',
  });
  await once(relay.child, 'close');
  const code = relay.child.exitCode;
  assert.ok(code !== null && code !== 0);
  assert.ok(
    relay.output.includes(`127.0.0.1:${port}`) && /EADDRINUSE|in use/.test(relay.output),
    relay.output,
  );
  assert.doesNotMatch(relay.output, /^\s+at .*\(/m, 'no stack trace: it is no mistake of the program');
});

test('starts when Kubernetes has put variables of its own beside ours', LIMIT, async () => {
  await using pair = await startPair({
    SEALPOST_SERVICE_HOST: '10.0.0.7',
    SEALPOST_SERVICE_PORT: '25',
    SEALPOST_SERVICE_PORT_SMTP: '25',
    SEALPOST_PORT: 'tcp://10.0.0.7:25',
    SEALPOST_PORT_25_TCP: 'tcp://10.0.0.7:25',
    SEALPOST_PORT_25_TCP_ADDR: '10.0.0.7',
    SEALPOST_PORT_25_TCP_PORT: '25',
    SEALPOST_PORT_25_TCP_PROTO: 'tcp',
  });
  using client = await SmtpDialog.open(pair.relay.port());
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
});

test('starts under NODE_TLS_REJECT_UNAUTHORIZED=0 and verifies all the same', LIMIT, async () => {
  const stranger = new TestAuthority('Stranger');
  await using pair = await startPair({ NODE_TLS_REJECT_UNAUTHORIZED: '0' });
  await using wrong = await startPair({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, { identity: stranger.issue() });
  using good = await SmtpDialog.open(pair.relay.port());
  assert.equal((await good.send('Subject: x\r\n\r\nHello')).code, 250);
  using bad = await SmtpDialog.open(wrong.relay.port());
  assert.match((await bad.send('Subject: x\r\n\r\nHello')).raw, /^451 4\.7\.5 /);
  assert.equal(wrong.upstream.secured, '');
  stranger.remove();
});

test('serves on several listeners at once', LIMIT, async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using relay = await startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LISTEN: '127.0.0.1:0,127.0.0.2:0',
  });
  await relay.event('listener.started', (line) => line['host'] === '127.0.0.2');
  for (const [index, host] of ['127.0.0.1', '127.0.0.2'].entries()) {
    using client = await SmtpDialog.open(relay.port(index), host);
    assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
  }
  await relay.stop();
});

test('greets with SEALPOST_HOSTNAME and says it to the upstream', LIMIT, async () => {
  await using bed = await RelayTestBed.start();
  const scene = bed.begin();
  using client = await SmtpDialog.openSilently(bed.relay.port());
  assert.match((await client.reply()).raw, /^220 relay\.example\.test\b/);
  await client.send('Subject: x\r\n\r\nHello');
  assert.equal(scene.commands[0], 'EHLO relay.example.test');
});
