/**
 * AUTH with servers nobody here wrote: whole deliveries through Postfix with Dovecot's SASL and through Exim, SCRAM bound
 * to the channel with PostgreSQL and GNU SASL, and the bindings themselves with GnuTLS.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';

import { Secret } from '../../src/protocol/secret.ts';
import { channelBindingOf, type ChannelBinding } from '../../src/tls/channel-binding.ts';
import { chooseMechanism } from '../../src/upstream/sasl/choose.ts';
import type { Mechanism, MechanismName } from '../../src/upstream/sasl/mechanism.ts';
import { startExim, type EximPeer } from '../support/peers/exim.ts';
import { startGnuTls } from '../support/peers/gnutls.ts';
import { GsaslServer } from '../support/peers/gsasl.ts';
import { logged } from '../support/peers/log-file.ts';
import { assertUnchanged, messageWith } from '../support/peers/messages.ts';
import { PASSWORD, type Peer } from '../support/peers/peer.ts';
import { startPostfix, type PostfixPeer } from '../support/peers/postfix.ts';
import { PostgresLogin } from '../support/peers/postgres-login.ts';
import { PostgresServer } from '../support/peers/postgres-server.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay, type Variables } from '../support/relay-process.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

/** What never comes is a failure, not a wait without end. */
const LIMIT = { timeout: 60_000 };

const authority = new TestAuthority();
after(() => authority.remove());

let messages = 0;

/** Delivers one message through a relay of its own; the reply to it, or the first refusal. */
async function deliver(peer: Peer, variables: Variables): Promise<DialogReply> {
  const content = messageWith(`number ${(messages += 1)}\r\n`);
  await using relay = await startRelay({
    SEALPOST_UPSTREAM: `smtps://localhost:${peer.submissionsPort}`,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LOG_LEVEL: 'debug',
    ...variables,
  });
  using client = await SmtpDialog.open(relay.port());
  const reply = await client.send(content.toString('latin1').replace(/\r\n$/, ''), 'a@x.test', 'b@y.test');
  assert.ok(!relay.output.includes(PASSWORD), 'the password is in the log');
  if (reply.code === 250) assertUnchanged(await peer.maildir.takeOnly(), content);
  return reply;
}

function withPassword(peer: Peer, password: string, mechanisms?: string): Variables {
  return {
    SEALPOST_UPSTREAM_USER: peer.user,
    SEALPOST_UPSTREAM_PASSWORD: password,
    SEALPOST_UPSTREAM_AUTH: mechanisms,
  };
}

describe('Postfix with Dovecot', () => {
  let postfix: PostfixPeer;
  before(async () => {
    postfix = await startPostfix(authority.issue(), 'plain login cram-md5 scram-sha-1 scram-sha-256');
  }, LIMIT);
  after(async () => postfix[Symbol.asyncDispose](), LIMIT);

  test('gets the strongest mechanism that it offers', LIMIT, async () => {
    assert.equal((await deliver(postfix, withPassword(postfix, PASSWORD))).code, 250);
    await logged(postfix.logFile, /sasl_method=SCRAM-SHA-256, sasl_username=alice\n/);
  });

  for (const mechanism of ['SCRAM-SHA-1', 'CRAM-MD5', 'LOGIN']) {
    test(`delivers by ${mechanism} when nothing else is allowed`, LIMIT, async () => {
      assert.equal((await deliver(postfix, withPassword(postfix, PASSWORD, mechanism))).code, 250);
      await logged(postfix.logFile, new RegExp(`sasl_method=${mechanism}, sasl_username=alice\\n`));
    });
  }

  test(
    'shows the client 454 4.7.0 when it refuses the password, and is not asked in a weaker way',
    LIMIT,
    async () => {
      const reply = await deliver(postfix, withPassword(postfix, 'wrong'));
      assert.match(reply.raw, /^454 4\.7\.0 /);
      const session = /SASL SCRAM-SHA-256 authentication failed[^]*?disconnect from .* auth=0\/(\d+)/;
      assert.equal((await logged(postfix.logFile, session))[1], '1');
    },
  );

  test('shows the client 454 4.7.0 when it refuses the answer to its CRAM-MD5 challenge', LIMIT, async () => {
    const reply = await deliver(postfix, withPassword(postfix, 'wrong', 'CRAM-MD5'));
    assert.match(reply.raw, /^454 4\.7\.0 /);
    await logged(postfix.logFile, /SASL CRAM-MD5 authentication failed/);
  });

  test('gets no AUTH when none of its mechanisms is allowed', LIMIT, async () => {
    const reply = await deliver(postfix, withPassword(postfix, PASSWORD, 'SCRAM-SHA-256-PLUS'));
    assert.match(reply.raw, /^454 4\.7\.0 /);
  });
});

describe('Exim', () => {
  let exim: EximPeer;
  before(async () => {
    exim = await startExim(authority.issue(), { cramMd5: true, clientAuthority: authority.caFile });
  }, LIMIT);
  after(async () => exim[Symbol.asyncDispose](), LIMIT);

  test('gets CRAM-MD5 before PLAIN and LOGIN', LIMIT, async () => {
    assert.equal((await deliver(exim, withPassword(exim, PASSWORD))).code, 250);
    await logged(exim.logFile, / A=cram:alice /);
  });

  for (const [what, user] of [
    ['no identity', undefined],
    ['an identity', 'alice'],
  ] as const) {
    test(`lets the client certificate speak in EXTERNAL, with ${what} named`, LIMIT, async () => {
      const variables = { ...withCertificate('alice'), SEALPOST_UPSTREAM_USER: user };
      assert.equal((await deliver(exim, variables)).code, 250);
      await logged(exim.logFile, / A=external:alice /);
    });
  }

  test('refuses an identity that the client certificate does not give', LIMIT, async () => {
    const reply = await deliver(exim, { ...withCertificate('alice'), SEALPOST_UPSTREAM_USER: 'bob' });
    assert.match(reply.raw, /^454 4\.7\.0 /);
  });

  test(
    'gets no message when EXTERNAL is wanted and the certificate is of an authority it does not know',
    LIMIT,
    async () => {
      const other = new TestAuthority('Another CA');
      const reply = await deliver(exim, withCertificate('alice', other)).finally(() => other.remove());
      assert.match(reply.raw, /^454 4\.7\.0 /);
    },
  );
});

/** A client certificate with that common name, and EXTERNAL wanted. */
function withCertificate(commonName: string, issuer = authority): Variables {
  const wish = { commonName, san: '', extendedKeyUsage: 'clientAuth' };
  const { certFile, keyFile } = issuer.files(issuer.issue(wish));
  return {
    SEALPOST_TLS_CLIENT_CERT_FILE: certFile,
    SEALPOST_TLS_CLIENT_KEY_FILE: keyFile,
    SEALPOST_UPSTREAM_AUTH: 'EXTERNAL',
  };
}

describe('PostgreSQL, bound by tls-server-end-point', () => {
  let postgres: PostgresServer;
  before(async () => {
    postgres = await PostgresServer.start(authority.issue({ digest: 'sha384' }), PASSWORD);
  }, LIMIT);
  after(async () => postgres[Symbol.asyncDispose](), LIMIT);

  const begin = async (): Promise<PostgresLogin> =>
    PostgresLogin.begin(postgres, { ca: authority.caPem, maxVersion: 'TLSv1.2' });

  test('accepts SCRAM-SHA-256-PLUS with the binding of the session', LIMIT, async () => {
    using login = await begin();
    const binding = bindingOf(login.socket);
    assert.equal(binding?.type, 'tls-server-end-point');
    const mechanism = mechanismFor(login.mechanisms, PASSWORD, binding);
    assert.equal(mechanism.name, 'SCRAM-SHA-256-PLUS');
    assert.equal(await logIn(login, mechanism), 'in');
    mechanism.conclude?.();
  });

  test('refuses the binding of another session', LIMIT, async () => {
    using login = await begin();
    const binding = bindingOf(login.socket);
    assert.ok(binding !== undefined);
    const data = Buffer.from(binding.data);
    data.writeUInt8(data.readUInt8(0) ^ 1, 0);
    const mechanism = mechanismFor(login.mechanisms, PASSWORD, { ...binding, data });
    assert.match(await logIn(login, mechanism), /channel binding check failed/);
    assert.throws(() => mechanism.conclude?.());
  });

  test('finds out that -PLUS was taken from its list on the way', LIMIT, async () => {
    using login = await begin();
    const stripped = login.mechanisms.filter((name) => !name.endsWith('-PLUS'));
    const mechanism = mechanismFor(stripped, PASSWORD, bindingOf(login.socket));
    assert.equal(mechanism.name, 'SCRAM-SHA-256');
    assert.match(await logIn(login, mechanism), /channel binding/);
    assert.throws(() => mechanism.conclude?.());
  });

  test('accepts SCRAM-SHA-256 from a client that cannot bind', LIMIT, async () => {
    using login = await begin();
    const mechanism = mechanismFor(login.mechanisms, PASSWORD, undefined);
    assert.equal(await logIn(login, mechanism), 'in');
    mechanism.conclude?.();
  });

  test('refuses a wrong password', LIMIT, async () => {
    using login = await begin();
    const mechanism = mechanismFor(login.mechanisms, 'wrong', bindingOf(login.socket));
    assert.match(await logIn(login, mechanism), /password authentication failed/);
    assert.throws(() => mechanism.conclude?.());
  });
});

/** Speaks the mechanism to PostgreSQL: 'in', or the text of the refusal. */
async function logIn(login: PostgresLogin, mechanism: Mechanism): Promise<string> {
  const { name, initialResponse = '' } = mechanism;
  let answer = await login.first(name, Buffer.from(initialResponse, 'base64'));
  while (answer.kind === 'challenge') {
    const response = await mechanism.respond(answer.octets.toString('base64'));
    // Its last message has data with success: nothing is answered to that.
    answer = response === '' ? await login.end() : await login.next(Buffer.from(response ?? '*', 'base64'));
  }
  return answer.kind === 'in' ? 'in' : answer.octets.toString();
}

/** Asked once for each session. */
function bindingOf(socket: TLSSocket): ChannelBinding | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : channelBindingOf(socket, certificate);
}

function mechanismFor(
  offered: readonly string[],
  password: string,
  binding: ChannelBinding | undefined,
  mechanisms?: readonly MechanismName[],
): Mechanism {
  const credentials = {
    kind: 'password',
    user: 'alice',
    password: new Secret(password),
    mechanisms,
  } as const;
  const chosen = chooseMechanism(offered, credentials, binding);
  assert.ok(typeof chosen === 'object');
  return chosen;
}

describe('GnuTLS and GNU SASL', () => {
  for (const { version, key, type } of [
    { version: 'TLSv1.3', key: 'ec', type: 'tls-exporter' },
    { version: 'TLSv1.3', key: 'rsa:2048', type: 'tls-exporter' },
    { version: 'TLSv1.2', key: 'ec', type: 'tls-server-end-point' },
    { version: 'TLSv1.2', key: 'rsa:2048', type: 'tls-server-end-point' },
  ] as const) {
    test(`agree on the ${type} of a ${version} session with ${key}`, LIMIT, async () => {
      await using server = await startGnuTls(authority.issue({ key, digest: 'sha512' }));
      using session = await echoed(server.port, { maxVersion: version });
      const binding = bindingOf(session.socket);
      assert.equal(binding?.type, type);
      assert.equal(binding.data.toString('hex'), server.binding(type));
    });
  }

  test('have no other binding in the next session on TLS 1.3 than we', LIMIT, async () => {
    await using server = await startGnuTls(authority.issue());
    const seen = new Set<string>();
    for (let count = 0; count < 3; count += 1) {
      using session = await echoed(server.port, {});
      const told = server.binding('tls-exporter');
      assert.equal(bindingOf(session.socket)?.data.toString('hex'), told);
      seen.add(told ?? '');
    }
    assert.equal(seen.size, 3);
  });

  for (const name of ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS'] as const) {
    test(`accept ${name} with the tls-exporter that GnuTLS has, and no other`, LIMIT, async () => {
      await using server = await startGnuTls(authority.issue());
      using session = await echoed(server.port, {});
      const binding = bindingOf(session.socket);
      const own = Buffer.from(server.binding('tls-exporter') ?? '', 'hex');
      const right = mechanismFor([name], PASSWORD, binding, [name]);
      assert.equal(await gsaslResult(right, own), 'GSASL_OK');
      right.conclude?.();
      const wrong = mechanismFor([name], PASSWORD, binding, [name]);
      assert.equal(await gsaslResult(wrong, Buffer.alloc(32, 1)), 'GSASL_AUTHENTICATION_ERROR');
      assert.throws(() => wrong.conclude?.());
    });
  }

  for (const name of ['SCRAM-SHA-256', 'SCRAM-SHA-1'] as const) {
    test(`accept ${name} and refuse a wrong password`, LIMIT, async () => {
      const right = mechanismFor([name], PASSWORD, undefined);
      assert.equal(await gsaslResult(right), 'GSASL_OK');
      right.conclude?.();
      assert.equal(await gsaslResult(mechanismFor([name], 'wrong', undefined)), 'GSASL_AUTHENTICATION_ERROR');
    });
  }
});

/** A session with an echo server that has echoed a line: what it tells of the session is there. */
async function echoed(port: number, options: object): Promise<{ readonly socket: TLSSocket } & Disposable> {
  const socket = connect({ host: 'localhost', port, ca: authority.caPem, ...options });
  await once(socket, 'secureConnect');
  socket.write('hello\n');
  await once(socket, 'data');
  return { socket, [Symbol.dispose]: () => socket.destroy() };
}

/** How GNU SASL judges the exchange. */
async function gsaslResult(mechanism: Mechanism, binding?: Buffer): Promise<string> {
  await using server = new GsaslServer(mechanism.name, PASSWORD, binding);
  let message: string | undefined = mechanism.initialResponse;
  for (;;) {
    const answer = await server.step(message ?? '');
    if (answer.result === 'GSASL_NEEDS_MORE') {
      message = await mechanism.respond(answer.message);
      continue;
    }
    // Its last message comes with the verdict.
    if (answer.result === 'GSASL_OK' && answer.message !== '') await mechanism.respond(answer.message);
    return answer.result;
  }
}
