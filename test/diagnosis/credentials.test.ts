/**
 * Whom `sealpost check` offers credentials to, and how often. Every run also asserts that no secret is printed.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createServer } from 'node:tls';

import { checkAsJson, runCheck, wordOf } from '../support/check-run.ts';
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
const WITHHELD = 'credentials are for other upstreams (host, port, pin= and server-name= count): not offered';

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
    assert.deepEqual(port.login, { outcome: 'accepted', mechanism: 'PLAIN' });
    assert.equal(code, 0);
    assert.deepEqual(logins(upstream), ['relay-user']);
    const { stdout } = await runCheck([upstream.url], LOGIN);
    assert.match(stdout, /^ {4}login {8}accepted by PLAIN$/m);
  });

  test('are not offered to a host that is not among the configured upstreams, and that is said', async () => {
    await using upstream = await start();
    const variables = { ...LOGIN, SEALPOST_UPSTREAM: 'smtps://mail.example.test' };
    const { port, upstream: found, code } = await checkAsJson([upstream.url], variables);
    assert.deepEqual([found.credentials, port.login.outcome], ['withheld', 'withheld']);
    assert.equal(wordOf(port.verdict), 'secured');
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
    const list = `smtps://other-user:${CANARY_PASSWORD}@mail.example.test,${upstream.url}`;
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

const WRONG_PIN = `${'A'.repeat(43)}=`;

describe(
  'Configured credentials are offered under the proof that is configured with them',
  { concurrency: 4 },
  () => {
    const policies: readonly (readonly [string, string, string, Variables])[] = [
      ['the pin of the entry', `?pin=${WRONG_PIN}`, 'validation-failure', LOGIN],
      ['the server name of the entry', '?server-name=mail.other.test', 'certificate-host-mismatch', LOGIN],
      [
        'the pin of the entry where every entry needs one',
        `?pin=${WRONG_PIN}`,
        'validation-failure',
        { ...LOGIN, SEALPOST_TLS_PIN_MODE: 'with-chain' },
      ],
    ];
    for (const [what, option, word, variables] of policies) {
      test(`so an argument without its own is judged by ${what}`, async () => {
        await using upstream = await start();
        const configured = { ...variables, SEALPOST_UPSTREAM: `${upstream.url}${option}` };
        const { port, upstream: found, code } = await checkAsJson([upstream.url], configured);
        assert.equal(wordOf(port.verdict), word);
        assert.equal(found.credentials, 'offered');
        assert.equal(port.login.outcome, 'not-reached');
        assert.equal(upstream.secured, '');
        assert.equal(code, 69);
      });
    }

    test('so an argument gets in by the right pin and the server name of its entry', async () => {
      const own = authority.issue({ selfSigned: true, san: 'DNS:mail.other.test' });
      await using upstream = await start({ identity: own });
      const options = `?pin=${authority.pin(own)}&server-name=mail.other.test`;
      const variables = { ...LOGIN, SEALPOST_UPSTREAM: `${upstream.url}${options}` };
      for (const argument of [upstream.url, `${upstream.url}${options}`]) {
        const { port, code } = await checkAsJson([argument], variables);
        assert.deepEqual([port.secured?.authenticatedBy, port.secured?.name], ['pin', 'mail.other.test']);
        assert.equal(port.login.outcome, 'accepted');
        assert.equal(code, 0);
      }
      assert.deepEqual(logins(upstream), ['relay-user', 'relay-user']);
    });

    test('so those of the entry whose pin the argument names are offered, where entries share a host', async () => {
      await using upstream = await start();
      const list = [
        `smtps://first-user:${CANARY_PASSWORD}@localhost:${upstream.port}?pin=${WRONG_PIN}`,
        `smtps://second-user:${CANARY_PASSWORD}@localhost:${upstream.port}?pin=${authority.pin(identity)}`,
      ];
      const variables = { ...TRUST, SEALPOST_UPSTREAM: list.join(',') };
      const argument = `${upstream.url}?pin=${authority.pin(identity)}`;
      assert.equal((await runCheck([argument], variables)).code, 0);
      assert.deepEqual(logins(upstream), ['second-user']);
    });

    const strangers: readonly (readonly [string, string, (upstream: ScriptedUpstream) => string])[] = [
      ['another pin', `?pin=${WRONG_PIN}`, ({ url }) => `${url}?pin=${authority.pin(identity)}`],
      ['a pin where none is configured', '', ({ url }) => `${url}?pin=${authority.pin(identity)}`],
      ['another server name', '?server-name=mail.other.test', ({ url }) => `${url}?server-name=localhost`],
      ['a server name where none is configured', '', ({ url }) => `${url}?server-name=127.0.0.1`],
    ];
    for (const [what, option, argument] of strangers) {
      test(`so an argument with ${what} gets none, and that is said`, async () => {
        await using upstream = await start({ identity });
        const variables = { ...LOGIN, SEALPOST_UPSTREAM: `${upstream.url}${option}` };
        const { port, upstream: found } = await checkAsJson([argument(upstream)], variables);
        assert.equal(wordOf(port.verdict), 'secured');
        assert.deepEqual([found.credentials, port.login.outcome], ['withheld', 'withheld']);
        assert.deepEqual(logins(upstream), []);
      });
    }

    test('so an argument with another port of the host gets none, and that is said', async () => {
      await using configured = await start();
      await using other = await start();
      const variables = { ...LOGIN, SEALPOST_UPSTREAM: configured.url };
      const { port, upstream: found } = await checkAsJson([other.url], variables);
      assert.equal(wordOf(port.verdict), 'secured');
      assert.deepEqual([found.credentials, port.login.outcome], ['withheld', 'withheld']);
      assert.deepEqual(logins(other), []);
    });

    test('while a login in the argument counts for that argument, under the configured proof too', async () => {
      await using upstream = await start();
      const argument = `smtps://own-user:${CANARY_PASSWORD}@localhost:${upstream.port}`;
      const pinned = (pin: string): Variables => ({
        ...LOGIN,
        SEALPOST_UPSTREAM: `${upstream.url}?pin=${pin}`,
      });
      assert.equal((await runCheck([argument], pinned(WRONG_PIN))).code, 69);
      assert.deepEqual(logins(upstream), []);
      assert.equal((await runCheck([argument], pinned(authority.pin(identity)))).code, 0);
      assert.equal(
        (await runCheck([`${argument}?pin=${authority.pin(identity)}`], pinned(WRONG_PIN))).code,
        0,
      );
      assert.deepEqual(logins(upstream), ['own-user', 'own-user']);
    });
  },
);

/** How a server that wants one is met: whether it came, for each handshake. */
async function seen(variables: Variables, configured?: (url: string) => string): Promise<readonly boolean[]> {
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
    const url = `smtps://localhost:${address.port}`;
    const upstream = configured === undefined ? {} : { SEALPOST_UPSTREAM: configured(url) };
    await runCheck([url], { ...variables, ...upstream });
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
    const foreign = await seen(CERTIFICATE, () => 'smtps://mail.example.test');
    assert.ok(foreign.length > 0 && foreign.every((one) => !one), 'not presented');
    const otherPort = await seen(CERTIFICATE, () => 'smtps://localhost:1');
    assert.ok(otherPort.length > 0 && otherPort.every((one) => !one), 'not presented on another port');
  });

  test('is no login, and that is told, where the server offers no EXTERNAL', async () => {
    await using upstream = await start();
    const { port, code } = await checkAsJson([upstream.url], CERTIFICATE);
    assert.deepEqual(port.login, { outcome: 'not-needed' });
    assert.equal(code, 0);
    const { stdout } = await runCheck([upstream.url], CERTIFICATE);
    assert.match(stdout, /^ {4}login {8}none was needed: the certificate speaks for us$/m);
    assert.ok(upstream.commands.every((line) => !line.startsWith('AUTH')));
  });

  test('is a login by EXTERNAL where the server offers it', async () => {
    await using upstream = await start({ keywords: ['AUTH EXTERNAL'] });
    const { port } = await checkAsJson([upstream.url], CERTIFICATE);
    assert.deepEqual(port.login, { outcome: 'accepted', mechanism: 'EXTERNAL' });
  });
});

describe('A password that is refused', { concurrency: 4 }, () => {
  const refusing: Partial<Script> = {
    answer: (line) => (line.startsWith('AUTH') ? '535 5.7.8 no such account\r\n' : undefined),
  };

  test('is told as "auth" with what the server said and what it offers, and offered once', async () => {
    await using upstream = await start(refusing);
    const { port, code } = await checkAsJson([upstream.url], LOGIN);
    assert.deepEqual([wordOf(port.verdict), port.verdict.reason], ['auth', '535']);
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
