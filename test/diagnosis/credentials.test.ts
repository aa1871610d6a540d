/**
 * Whom `sealpost check` offers credentials to, and how often. Every run also asserts that no secret is printed.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createServer } from 'node:tls';

import { checkAsJson, runCheck } from '../support/check-run.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { TestAuthority } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import { ScriptedUpstream, type Script } from '../support/scripted-upstream.ts';

const authority = new TestAuthority();
after(() => authority.remove());

const identity = authority.issue();
const TRUST: Variables = { SEALPOST_TLS_CA_FILE: authority.caFile };
const LOGIN: Variables = {
  ...TRUST,
  SEALPOST_UPSTREAM_USER: 'relay-user',
  SEALPOST_UPSTREAM_PASSWORD: CANARY_PASSWORD,
};
const WITHHELD = 'credentials belong to other upstreams: not offered';

async function start(script: Partial<Script> = {}): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
}

/** Who logged in, over all connections. */
function logins(upstream: ScriptedUpstream): readonly string[] {
  return upstream.commands
    .filter((line) => line.startsWith('AUTH '))
    .map((line) => Buffer.from(line.split(' ')[2] ?? '', 'base64').toString())
    .map((text) => text.split('\0')[1] ?? '');
}

describe('Configured credentials', { concurrency: 4 }, () => {
  test('are offered to a host on the command line when no upstream is configured', async () => {
    await using upstream = await start();
    const { port, code } = await checkAsJson([upstream.url], LOGIN);
    assert.equal(port.login.outcome, 'accepted');
    assert.equal(code, 0);
    assert.deepEqual(logins(upstream), ['relay-user']);
  });

  test('are not offered to a host that is not among the configured upstreams, and that is said', async () => {
    await using upstream = await start();
    const variables = { ...LOGIN, SEALPOST_UPSTREAM: 'smtps://mail.example.test' };
    const { port, upstream: found, code } = await checkAsJson([upstream.url], variables);
    assert.deepEqual([found.credentials, port.login.outcome], ['withheld', 'withheld']);
    assert.equal(port.verdict.word, 'secured');
    assert.equal(code, 0);
    assert.deepEqual(logins(upstream), []);
    const text = await runCheck([upstream.url], variables);
    assert.ok(text.stdout.includes(WITHHELD), text.stdout);
    assert.deepEqual(logins(upstream), []);
  });

  test('are not offered to an address of the configured host, which is another name', async () => {
    await using upstream = await start();
    const variables = { ...LOGIN, SEALPOST_UPSTREAM: upstream.url };
    await runCheck([`smtps://127.0.0.1:${upstream.port}`], variables);
    assert.deepEqual(logins(upstream), []);
  });

  test('of one entry are not offered to the host of another that has none', async () => {
    await using upstream = await start();
    const list = `smtps://other-user:${CANARY_PASSWORD}@mail.example.test,smtps://localhost:1`;
    const { port } = await checkAsJson([upstream.url], { ...TRUST, SEALPOST_UPSTREAM: list });
    assert.equal(port.login.outcome, 'none');
    assert.deepEqual(logins(upstream), []);
  });

  test('are offered to a host that is configured: its own, of its own port', async () => {
    await using upstream = await start();
    await using other = await start();
    const list = [
      `smtps://first-user:${CANARY_PASSWORD}@LOCALHOST:${upstream.port}`,
      `smtps://second-user:${CANARY_PASSWORD}@localhost:${other.port}`,
    ];
    const variables = { ...LOGIN, SEALPOST_UPSTREAM: list.join(',') };
    assert.equal((await runCheck([upstream.url, other.url], variables)).code, 0);
    assert.deepEqual(logins(upstream), ['first-user']);
    assert.deepEqual(logins(other), ['second-user']);
  });

  test('that come from a file belong to what comes from a file', async () => {
    await using upstream = await start();
    const file = join(authority.directory, 'upstream');
    writeFileSync(file, `smtps://file-user:${CANARY_PASSWORD}@mail.example.test\n`);
    const { upstream: found } = await checkAsJson([upstream.url], {
      ...TRUST,
      SEALPOST_UPSTREAM_FILE: file,
    });
    assert.equal(found.credentials, 'withheld');
    assert.deepEqual(logins(upstream), []);
  });

  test('give way to those in the argument itself, which count whatever is configured', async () => {
    await using upstream = await start();
    const argument = `smtps://own-user:${CANARY_PASSWORD}@localhost:${upstream.port}`;
    const variables = { ...LOGIN, SEALPOST_UPSTREAM: 'smtps://mail.example.test' };
    assert.equal((await runCheck([argument], variables)).code, 0);
    assert.deepEqual(logins(upstream), ['own-user']);
  });

  test('are not offered to a server that is not authenticated', async () => {
    await using upstream = await start({ identity: authority.issue({ selfSigned: true }) });
    const { port } = await checkAsJson([upstream.url], LOGIN);
    assert.equal(port.login.outcome, 'not-reached');
    assert.equal(upstream.secured, '');
  });
});

/** How a server that wants one is met: whether it came, for each handshake. */
async function seen(variables: Variables): Promise<readonly boolean[]> {
  const came: boolean[] = [];
  const server = createServer({ ...identity, requestCert: true, rejectUnauthorized: false }, (socket) => {
    came.push(socket.getPeerX509Certificate() !== undefined);
    socket.on('error', () => undefined).end('554 5.7.1 no\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    await runCheck([`smtps://localhost:${address.port}`], variables);
  } finally {
    server.close();
  }
  return came;
}

describe('A client certificate', () => {
  const pair = authority.files(authority.issue({ extendedKeyUsage: 'clientAuth' }));
  const CERTIFICATE: Variables = {
    ...TRUST,
    SEALPOST_TLS_CLIENT_CERT_FILE: pair.certFile,
    SEALPOST_TLS_CLIENT_KEY_FILE: pair.keyFile,
  };

  test('is presented to a configured host, and to no other', async () => {
    const own = await seen(CERTIFICATE);
    assert.ok(own.length > 0 && own.every((one) => one), 'presented');
    const foreign = await seen({ ...CERTIFICATE, SEALPOST_UPSTREAM: 'smtps://mail.example.test' });
    assert.ok(foreign.length > 0 && foreign.every((one) => !one), 'not presented');
  });
});

describe('A password that is refused', { concurrency: 4 }, () => {
  const refusing: Partial<Script> = {
    answer: (line) => (line.startsWith('AUTH') ? '535 5.7.8 no such account\r\n' : undefined),
  };

  test('is told as "auth" with what the server said and what it offers, and offered once', async () => {
    await using upstream = await start(refusing);
    const { port, code } = await checkAsJson([upstream.url], LOGIN);
    assert.deepEqual([port.verdict.word, port.verdict.reason], ['auth', '535']);
    assert.match(port.verdict.sentence, /check SEALPOST_UPSTREAM_USER and SEALPOST_UPSTREAM_PASSWORD/);
    assert.deepEqual(port.login, { outcome: 'refused', detail: '535 5.7.8 no such account' });
    assert.deepEqual(port.secured?.offers.auth, ['PLAIN', 'LOGIN']);
    assert.equal(code, 69);
    assert.equal(logins(upstream).length, 1);
  });

  test('is not repeated to the world by a server that echoes it', async () => {
    await using upstream = await start({
      answer: (line) => (line.startsWith('AUTH') ? `535 5.7.8 ${CANARY_PASSWORD} ${line}\r\n` : undefined),
    });
    const { port } = await checkAsJson([upstream.url], LOGIN);
    assert.equal(port.login.outcome, 'refused');
  });
});
