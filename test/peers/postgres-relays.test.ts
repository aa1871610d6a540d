/**
 * Relays that share a spool: the real program, a real PostgreSQL, and an upstream that fails and recovers.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { PASSWORD } from '../support/peers/peer.ts';
import { PostgresServer } from '../support/peers/postgres-server.ts';
import { authority, identity, MESSAGE } from '../support/pool-scene.ts';
import { runSealpost, startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { ScriptedUpstream, SILENCE, type Script } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 90_000 };
/** In clear, percent-encoded, and as a part of nothing else. */
const CANARIES = [PASSWORD, encodeURIComponent(PASSWORD), PASSWORD.slice(0, 8)];

const directory = mkdtempSync(join(tmpdir(), 'sealpost-relays-'));
const postgres = await PostgresServer.start(identity, PASSWORD);
const outputs: RelayProcess[] = [];
after(async () => {
  await postgres[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

async function upstreamThat(script: Partial<Script> = {}): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
}

function variablesFor(upstream: ScriptedUpstream, spool: string): Variables {
  return {
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_STATE_DIR: directory,
    SEALPOST_SPOOL: spool,
    SEALPOST_LOG_LEVEL: 'debug',
  };
}

async function relayBefore(upstream: ScriptedUpstream, spool: string, more = {}): Promise<RelayProcess> {
  const relay = await startRelay({ ...variablesFor(upstream, spool), ...more });
  outputs.push(relay);
  return relay;
}

/** What `serve` says that cannot start with that. */
async function refusal(upstream: ScriptedUpstream, spool: string, more = {}): Promise<string> {
  const relay = runSealpost(['serve'], { ...variablesFor(upstream, spool), ...more });
  outputs.push(relay);
  await once(relay.child, 'close');
  assert.equal(relay.child.exitCode, 78, relay.output);
  return relay.output;
}

async function queue(spool: string, ...args: readonly string[]): Promise<string> {
  const command = runSealpost(['queue', ...args], {
    SEALPOST_SPOOL: spool,
    SEALPOST_TLS_CA_FILE: authority.caFile,
  });
  outputs.push(command);
  await once(command.child, 'close');
  assert.equal(command.child.exitCode, 0, command.output);
  return command.output;
}

async function send(relay: RelayProcess): Promise<DialogReply> {
  using client = await SmtpDialog.open(relay.port());
  return await client.send(MESSAGE);
}

function flaky(): { script: Partial<Script>; recover: () => void } {
  let isFailing = true;
  return {
    script: {
      answer: (line) => (isFailing && line.startsWith('MAIL') ? '451 4.3.0 Later\r\n' : undefined),
    },
    recover: (): void => void (isFailing = false),
  };
}

function idsAt({ messages }: ScriptedUpstream): readonly string[] {
  return messages.map(({ content }) => /\bid (\w+)/.exec(content.toString())?.[1] ?? '');
}

test('delivers each message once, whichever of three relays took it', LIMIT, async () => {
  const { script, recover } = flaky();
  await using upstream = await upstreamThat(script);
  const spool = postgres.socketUrl(postgres.newDatabase());
  await using all = new AsyncDisposableStack();
  const relays: RelayProcess[] = [];
  for (let n = 0; n < 3; n += 1) relays.push(all.use(await relayBefore(upstream, spool)));
  for (const relay of [...relays, ...relays]) assert.equal((await send(relay)).code, 250);
  assert.equal((await queue(spool)).match(/<b@y\.test>/g)?.length, 6);
  recover();
  await queue(spool, 'retry', '--all');
  await upstream.received(6);
  assert.equal(new Set(idsAt(upstream)).size, 6);
  while (!/empty/.test(await queue(spool)));
  assert.equal(upstream.messages.length, 6);
});

test('takes over what a killed relay had begun, by the clock of the database', LIMIT, async () => {
  let isSilent = true;
  await using upstream = await upstreamThat({
    answer: (line) => {
      if (isSilent && line.startsWith('RCPT')) return SILENCE;
      return undefined;
    },
  });
  const database = postgres.newDatabase();
  const spool = postgres.url(database);
  await using first = await relayBefore(upstream, spool, { SEALPOST_COMMAND_TIMEOUT: '1' });
  const kept = await send(first);
  assert.equal(kept.code, 250, kept.raw);
  const claimed = 'SELECT count(*) FROM sealpost.messages WHERE claim IS NOT NULL';
  while (postgres.sql(database, claimed) !== '1') await first.event('transaction.started');
  const ended = once(first.child, 'exit');
  first.child.kill('SIGKILL');
  await ended;
  isSilent = false;
  await using second = await relayBefore(upstream, spool);
  postgres.sql(database, `UPDATE sealpost.messages SET claimed_until = now(), next_attempt_at = 0`);
  const delivered = await second.event('spool.delivered');
  assert.match(kept.raw, new RegExp(String(delivered['tid'])));
});

test(
  'refuses with 452 what cannot be kept while the database is away, and delivers when it is back',
  LIMIT,
  async () => {
    const { script, recover } = flaky();
    await using own = await PostgresServer.start(undefined, PASSWORD);
    await using upstream = await upstreamThat(script);
    const spool = own.url(own.newDatabase());
    await using relay = await relayBefore(upstream, spool);
    const kept = await send(relay);
    assert.equal(kept.code, 250, kept.raw);
    await own.crash();
    assert.match((await send(relay)).raw, /^452 4\.3\.1 /);
    await relay.event('spool.unusable');
    await own.run();
    recover();
    let isDelivered = false;
    while (!isDelivered) isDelivered = (await send(relay)).code === 250;
    const delivered = await relay.event('spool.delivered');
    assert.match(kept.raw, new RegExp(String(delivered['tid'])));
    assert.equal(await relay.stop(), 0);
  },
);

test('starts while the database is away, and relays', LIMIT, async () => {
  await using upstream = await upstreamThat();
  await using relay = await relayBefore(upstream, 'postgres://alice:x@127.0.0.1:1/none');
  assert.equal((await send(relay)).code, 250);
});

const FOREIGN_WORDS = {
  NODE_TLS_REJECT_UNAUTHORIZED: '0',
  NODE_PG_FORCE_NATIVE: '1',
  PGHOST: 'nowhere.invalid',
  PGPORT: '1',
  PGUSER: 'mallory',
  PGPASSWORD: 'wrong',
  PGDATABASE: 'none',
  PGOPTIONS: '-c synchronous_commit=off',
  PGREPLICATION: 'true',
  PGCLIENT_ENCODING: 'LATIN1',
  PGSSLMODE: 'no-verify',
  PGSSLNEGOTIATION: 'direct',
};

test(
  'keeps messages in a database that proves its name inside TLS, whatever the environment says',
  LIMIT,
  async () => {
    const { script } = flaky();
    await using upstream = await upstreamThat(script);
    const database = postgres.newDatabase();
    const spoolFile = join(directory, 'spool-url');
    writeFileSync(spoolFile, `${postgres.url(database, '?sslmode=verify-full')}\n`);
    await using relay = await startRelay({
      ...variablesFor(upstream, ''),
      SEALPOST_SPOOL: undefined,
      SEALPOST_SPOOL_FILE: spoolFile,
      ...FOREIGN_WORDS,
    });
    outputs.push(relay);
    assert.equal((await send(relay)).code, 250);
    const sessions = `SELECT count(*) FILTER (WHERE NOT ssl), count(*) > 0 FROM pg_stat_ssl
    JOIN pg_stat_activity USING (pid) WHERE application_name = 'sealpost'`;
    assert.equal(postgres.sql(database, sessions), '0|t');
  },
);

test('refuses a database whose server shows another name', LIMIT, async () => {
  await using upstream = await upstreamThat();
  await using stranger = await PostgresServer.start(
    authority.issue({ san: 'DNS:db.example.test' }),
    PASSWORD,
  );
  const told = await refusal(upstream, stranger.url('postgres', '?sslmode=verify-full'), FOREIGN_WORDS);
  assert.match(told, /SEALPOST_SPOOL should name a database whose server proves its name/);
});

test('refuses a database without TLS where it has to prove its name', LIMIT, async () => {
  await using upstream = await upstreamThat();
  await using bare = await PostgresServer.start(undefined, PASSWORD);
  const told = await refusal(upstream, bare.url('postgres', '?sslmode=verify-full'), FOREIGN_WORDS);
  assert.match(told, /SEALPOST_SPOOL should name .* \(no-tls\)/);
});

test('sends nothing but the wish for TLS to one who answers in clear behind his yes', LIMIT, async () => {
  await using upstream = await upstreamThat();
  const received: Buffer[] = [];
  const attacker = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (octets: Buffer) => received.push(octets));
    socket.write('SR\0\0\0\x08\0\0\0\0');
  });
  attacker.listen(0, '127.0.0.1');
  await once(attacker, 'listening');
  const address = attacker.address();
  assert.ok(typeof address === 'object' && address !== null);
  const spool = `postgres://alice:${encodeURIComponent(PASSWORD)}@localhost:${address.port}/x?sslmode=verify-full`;
  assert.match(await refusal(upstream, spool), /data-before-tls/);
  assert.equal(Buffer.concat(received).toString('hex'), '0000000804d2162f');
  attacker.close();
});

test('refuses a database that does not let it in', LIMIT, async () => {
  await using upstream = await upstreamThat();
  const spool = `postgres://alice:wrong@127.0.0.1:${postgres.port}/postgres`;
  assert.match(
    await refusal(upstream, spool),
    /SEALPOST_SPOOL names a database that does not let us in \(28P01\)/,
  );
});

test('shows the password of the database nowhere', () => {
  assert.ok(outputs.length >= 10);
  for (const { output } of outputs)
    for (const canary of CANARIES) assert.ok(!output.includes(canary), output);
});
