/**
 * The admin listener as a server of HTTP: what it answers whatever it is asked for, what it costs, and what a reload changes.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { errorCode } from '../../src/protocol/error-code.ts';
import { askAdmin } from '../support/admin-answer.ts';
import { authority, scene, sendTo } from '../support/pool-scene.ts';
import type { LogLine, RelayProcess } from '../support/relay-process.ts';

after(() => authority.remove());

const ADMIN = { SEALPOST_ADMIN_LISTEN: '127.0.0.1:0' };

test('answers those who add a query, and ends what it answers to HEAD', async () => {
  await using stage = await scene({}, ADMIN);
  for (const [method, path, expected] of [
    ['GET', '/livez?verbose', 200],
    ['GET', '/metrics?name=x', 200],
    ['HEAD', '/', 200],
    ['HEAD', '/events', 200],
    ['POST', '/livez', 405],
  ] as const) {
    const { status, text } = await askAdmin(stage.relay, path, { method });
    assert.equal(status, expected, path);
    assert.equal(text === '', method === 'HEAD');
  }
});

test('leaves mail what it needs, however many connect and say nothing', async () => {
  await using stage = await scene({}, ADMIN);
  const { port } = await stage.relay.event('admin.started');
  let turnedAway = 0;
  const sockets = await new Promise<readonly Socket[]>((resolve) => {
    const opened = Array.from({ length: 150 }, () => connect(Number(port), '127.0.0.1'));
    for (const socket of opened)
      socket
        .resume()
        .on('error', () => undefined)
        .once('close', () => (turnedAway += 1) === 50 && resolve(opened));
  });
  assert.equal(await sendTo(stage.relay), 250);
  assert.equal(sockets.filter(({ destroyed }) => destroyed).length, 50);
  for (const socket of sockets) socket.destroy();
});

/** Sends SIGHUP. @returns the next line of that event */
async function reload(relay: RelayProcess, event: string): Promise<LogLine> {
  const since = relay.log.length;
  relay.child.kill('SIGHUP');
  return relay.event(event, (line) => relay.log.indexOf(line) >= since);
}

/** By that name, which is asked of the certificate too. @returns the status of the answer, or why there is none */
async function askBeyond(relay: RelayProcess, name: string, token: string): Promise<number | string> {
  const { port } = await relay.event('admin.started');
  const headers = { host: name, authorization: `Bearer ${token}` };
  const place = { host: '127.0.0.1', port: Number(port), path: '/metrics', servername: name };
  return new Promise((resolve) => {
    const sent = request({ ...place, ca: authority.identity.cert, headers, agent: false }).end();
    sent.once('error', (error) => resolve(errorCode(error) ?? 'unknown'));
    sent.once('response', (response) => resolve(response.resume().statusCode ?? 0));
  });
}

test('shows beyond loopback the certificate that SIGHUP read, asks for the token that it read, and keeps both where one is wrong', async () => {
  const [first, second] = ['old.test', 'new.test'].map((name) => authority.issue({ san: `DNS:${name}` }));
  assert.ok(first !== undefined && second !== undefined);
  const { certFile, keyFile } = authority.files(first);
  const tokenFile = join(authority.directory, 'admin-token');
  writeFileSync(tokenFile, 'the-old-token-of-it\n');
  await using stage = await scene(
    {},
    {
      SEALPOST_ADMIN_LISTEN: '0.0.0.0:0',
      SEALPOST_ADMIN_TOKEN_FILE: tokenFile,
      SEALPOST_LISTEN_CERT_FILE: certFile,
      SEALPOST_LISTEN_KEY_FILE: keyFile,
    },
  );
  const { relay } = stage;
  assert.equal(await askBeyond(relay, 'old.test', 'the-old-token-of-it'), 200);
  writeFileSync(certFile, second.cert);
  writeFileSync(tokenFile, 'the-new-token-of-it\n');
  assert.equal((await reload(relay, 'config.refused'))['variable'], 'SEALPOST_LISTEN_KEY_FILE');
  assert.equal(await askBeyond(relay, 'old.test', 'the-old-token-of-it'), 200);
  writeFileSync(keyFile, second.key);
  await reload(relay, 'config.reloaded');
  assert.equal(await askBeyond(relay, 'new.test', 'the-new-token-of-it'), 200);
  assert.equal(await askBeyond(relay, 'new.test', 'the-old-token-of-it'), 401);
  assert.equal(await askBeyond(relay, 'old.test', 'the-new-token-of-it'), 'ERR_TLS_CERT_ALTNAME_INVALID');
});

test('tells on nothing to those who read with a token that counts no more', async () => {
  const tokenFile = join(authority.directory, 'replaced-token');
  writeFileSync(tokenFile, 'the-old-token-of-it\n');
  await using stage = await scene({}, { ...ADMIN, SEALPOST_ADMIN_TOKEN_FILE: tokenFile });
  const { port } = await stage.relay.event('admin.started');
  const headers = { authorization: 'Bearer the-old-token-of-it' };
  const { status, body } = await fetch(`http://127.0.0.1:${Number(port)}/events`, { headers });
  assert.equal(status, 200);
  writeFileSync(tokenFile, 'the-new-token-of-it\n');
  const heard = new Response(body).text();
  await Promise.all([assert.rejects(heard, /terminated/), reload(stage.relay, 'config.reloaded')]);
});
