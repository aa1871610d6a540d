/**
 * Client certificates from end to end: in every form that the variables take, with and without EXTERNAL (RFC 4422
 * appendix A), and what is told where one is missing, refused or broken.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { CertificateUpstream, type CertificateWish } from '../support/certificate-upstream.ts';
import { assertUnchanged, messageWith } from '../support/peers/messages.ts';
import { startPostfix, type PostfixPeer } from '../support/peers/postfix.ts';
import { TestAuthority, type Identity } from '../support/pki.ts';
import { runSealpost, startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

/** What never comes is a failure, not a wait without end. */
const LIMIT = { timeout: 60_000 };
const EX_CONFIG = 78;
const PASSPHRASE = 'canary p@ss %41 ü';

const authority = new TestAuthority();
const stranger = new TestAuthority('Another CA');
process.on('exit', () => {
  authority.remove();
  stranger.remove();
});

const SERVER = authority.issue();
const CLIENT = client('printer.example.test', authority);
const OTHER = client('other.example.test', authority);
const UNKNOWN = client('printer.example.test', stranger);

function client(commonName: string, issuer: TestAuthority): Identity {
  return issuer.issue({ commonName, san: '', extendedKeyUsage: 'clientAuth' });
}

let files = 0;
function file(content: string): string {
  const path = join(authority.directory, `given${(files += 1)}`);
  writeFileSync(path, content);
  return path;
}

function pem(identity: Identity): Variables {
  const { certFile, keyFile } = authority.files(identity);
  return { SEALPOST_TLS_CLIENT_CERT_FILE: certFile, SEALPOST_TLS_CLIENT_KEY_FILE: keyFile };
}

/** The key as openssl keeps it under a passphrase (RFC 5958 §3). */
function encrypted({ key }: Identity): string {
  const options = ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-passout', `pass:${PASSPHRASE}`];
  return file(execFileSync('openssl', options, { input: key, encoding: 'utf8' }));
}

const FORMS: Readonly<Record<string, Variables>> = {
  'PEM files': pem(CLIENT),
  'PEM files, the key under a passphrase in a file': {
    ...pem(CLIENT),
    SEALPOST_TLS_CLIENT_KEY_FILE: encrypted(CLIENT),
    SEALPOST_TLS_CLIENT_PASSPHRASE_FILE: file(`${PASSPHRASE}\n`),
  },
  'PKCS#12 without a passphrase': { SEALPOST_TLS_CLIENT_PKCS12_FILE: authority.pkcs12(CLIENT) },
  'PKCS#12 under a passphrase': {
    SEALPOST_TLS_CLIENT_PKCS12_FILE: authority.pkcs12(CLIENT, PASSPHRASE),
    SEALPOST_TLS_CLIENT_PASSPHRASE: PASSPHRASE,
  },
};

async function relayTo(upstream: CertificateUpstream, variables: Variables): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LOG_LEVEL: 'debug',
    ...variables,
  });
}

/** Sends one message through a relay of its own, whose output must not tell the passphrase or a key. */
async function deliver(upstream: CertificateUpstream, variables: Variables): Promise<DialogReply> {
  await using relay = await relayTo(upstream, variables);
  using dialog = await SmtpDialog.open(relay.port());
  const reply = await dialog.send('Subject: x\r\n\r\nHello');
  for (const secret of [PASSPHRASE, 'PRIVATE KEY', 'internal.error'])
    assert.ok(!relay.output.includes(secret), `${secret} is in the output`);
  return reply;
}

async function start(wish: Omit<CertificateWish, 'clientAuthority'> = {}): Promise<CertificateUpstream> {
  return CertificateUpstream.start(SERVER, { clientAuthority: authority.caPem, ...wish });
}

describe('an upstream that wants a certificate', { concurrency: 3 }, () => {
  for (const [form, variables] of Object.entries(FORMS)) {
    test(`gets the one of ${form}`, LIMIT, async () => {
      await using upstream = await start();
      assert.equal((await deliver(upstream, variables)).code, 250);
      assert.deepEqual(upstream.clients, ['CN=printer.example.test']);
      assert.deepEqual([upstream.messages, upstream.said('AUTH')], [1, []]);
    });
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [what, variables] of [
      ['no certificate', {}],
      ['one of an authority that it does not know', pem(UNKNOWN)],
    ] as const) {
      test(`gets nothing from a relay with ${what} (${maxVersion})`, LIMIT, async () => {
        await using upstream = await start({ maxVersion });
        const reply = await deliver(upstream, variables);
        assert.match(reply.raw, /^451 4\.(?:4\.1|7\.5) /);
        assert.doesNotMatch(reply.raw, /write smtps:/, 'does not advise what is there already');
        assert.deepEqual([upstream.commands, upstream.messages], [[], 0]);
        assert.equal((await deliver(upstream, pem(CLIENT))).code, 250);
      });
    }
  }
});

describe('EXTERNAL', { concurrency: 3 }, () => {
  const EXTERNAL = { ...pem(CLIENT), SEALPOST_UPSTREAM_AUTH: 'EXTERNAL' };

  for (const [what, wish, user, said] of [
    ['without an identity', {}, undefined, ['AUTH EXTERNAL =']],
    ['with one', {}, 'alice', [`AUTH EXTERNAL ${base64('alice')}`]],
    [
      'once more where it is asked again',
      { promptsAgain: true },
      'alice',
      [`AUTH EXTERNAL ${base64('alice')}`],
    ],
  ] as const) {
    test(`is said ${what}`, LIMIT, async () => {
      await using upstream = await start({ mechanisms: 'PLAIN EXTERNAL', ...wish });
      const variables = { ...EXTERNAL, SEALPOST_UPSTREAM_USER: user };
      assert.equal((await deliver(upstream, variables)).code, 250);
      assert.deepEqual(upstream.said('AUTH'), said);
      const asked = 'promptsAgain' in wish ? [base64('alice')] : [];
      assert.deepEqual(upstream.said(base64('alice')), asked);
    });
  }

  test('is said where it is offered, without being asked for', LIMIT, async () => {
    await using upstream = await start({ mechanisms: 'PLAIN EXTERNAL' });
    assert.equal((await deliver(upstream, pem(CLIENT))).code, 250);
    assert.deepEqual(upstream.said('AUTH'), ['AUTH EXTERNAL =']);
  });

  test('is not needed where the certificate was enough', LIMIT, async () => {
    await using upstream = await start({ mechanisms: 'PLAIN' });
    const variables = { ...pem(CLIENT), SEALPOST_UPSTREAM_USER: 'alice' };
    assert.equal((await deliver(upstream, variables)).code, 250);
    assert.deepEqual(upstream.said('AUTH'), []);
  });

  for (const mechanisms of [undefined, 'PLAIN LOGIN']) {
    test(`is missed, 454 4.7.0, where ${mechanisms ?? 'no AUTH'} is offered`, LIMIT, async () => {
      await using upstream = await start(mechanisms === undefined ? {} : { mechanisms });
      assert.match((await deliver(upstream, EXTERNAL)).raw, /^454 4\.7\.0 /);
      assert.deepEqual([upstream.said('AUTH'), upstream.said('MAIL')], [[], []]);
    });
  }

  test('does not take the place of a password that is there', LIMIT, async () => {
    await using upstream = await start({ mechanisms: 'EXTERNAL PLAIN' });
    const variables = { ...pem(CLIENT), SEALPOST_UPSTREAM_USER: 'alice', SEALPOST_UPSTREAM_PASSWORD: 'pw' };
    assert.equal((await deliver(upstream, variables)).code, 250);
    assert.deepEqual(upstream.said('AUTH'), [`AUTH PLAIN ${base64('\0alice\0pw')}`]);
  });
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

describe('Postfix with smtpd_tls_req_ccert', () => {
  let postfix: PostfixPeer;
  before(async () => {
    postfix = await startPostfix(SERVER);
    // Nobody has connected: each smtpd reads this when it is started.
    const configuration = join(dirname(postfix.logFile), 'etc/main.cf');
    const settings = ['smtpd_tls_req_ccert = yes', `smtpd_tls_CAfile = ${authority.caFile}`];
    appendFileSync(configuration, `${settings.join('\n')}\n`);
  });
  after(async () => postfix[Symbol.asyncDispose]());

  for (const [what, identity, wanted] of [
    ['takes a message with a certificate and a password', CLIENT, /^250 /],
    [
      'tells why it takes none without a certificate',
      undefined,
      /^451 4\.4\.1 .*: 421 .*No client certificate/,
    ],
    ['tells why it takes none with another', UNKNOWN, /^451 4\.4\.1 .*: 421 .*certificate not trusted/],
  ] as const) {
    test(what, LIMIT, async () => {
      const content = messageWith(`${what}\r\n`);
      await using relay = await startRelay({
        SEALPOST_UPSTREAM: `smtp://localhost:${postfix.submissionPort}`,
        SEALPOST_UPSTREAM_USER: postfix.user,
        SEALPOST_UPSTREAM_PASSWORD: postfix.password,
        SEALPOST_TLS_CA_FILE: authority.caFile,
        ...(identity === undefined ? {} : pem(identity)),
      });
      using dialog = await SmtpDialog.open(relay.port());
      const reply = await dialog.send(content.toString().replace(/\r\n$/, ''), 'a@x.test', 'b@y.test');
      assert.match(reply.raw, wanted);
      if (reply.code === 250) assertUnchanged(await postfix.maildir.takeOnly(), content);
    });
  }
});

/** Each is refused at start, with the name of the variable to look at. */
const BROKEN: readonly (readonly [what: string, variable: string, variables: Variables])[] = [
  [
    'the key of another certificate',
    'SEALPOST_TLS_CLIENT_KEY_FILE',
    { ...pem(CLIENT), SEALPOST_TLS_CLIENT_KEY_FILE: pem(OTHER)['SEALPOST_TLS_CLIENT_KEY_FILE'] },
  ],
  [
    'a key that needs a passphrase, and none',
    'SEALPOST_TLS_CLIENT_KEY_FILE',
    { ...pem(CLIENT), SEALPOST_TLS_CLIENT_KEY_FILE: encrypted(CLIENT) },
  ],
  [
    'a key and a wrong passphrase',
    'SEALPOST_TLS_CLIENT_KEY_FILE',
    {
      ...pem(CLIENT),
      SEALPOST_TLS_CLIENT_KEY_FILE: encrypted(CLIENT),
      SEALPOST_TLS_CLIENT_PASSPHRASE: 'canary wrong',
    },
  ],
  [
    'a damaged key',
    'SEALPOST_TLS_CLIENT_KEY_FILE',
    { ...pem(CLIENT), SEALPOST_TLS_CLIENT_KEY_FILE: file(CLIENT.key.replace(/\n.{8}/, '\nAAAAAAAA')) },
  ],
  [
    'a damaged certificate',
    'SEALPOST_TLS_CLIENT_CERT_FILE',
    { ...pem(CLIENT), SEALPOST_TLS_CLIENT_CERT_FILE: file(CLIENT.cert.replace(/\n.{8}/, '\nAAAAAAAA')) },
  ],
  [
    'PKCS#12 and a wrong passphrase',
    'SEALPOST_TLS_CLIENT_PKCS12_FILE',
    {
      SEALPOST_TLS_CLIENT_PKCS12_FILE: authority.pkcs12(CLIENT, PASSPHRASE),
      SEALPOST_TLS_CLIENT_PASSPHRASE: 'canary wrong',
    },
  ],
  [
    'PKCS#12 under a passphrase, and none',
    'SEALPOST_TLS_CLIENT_PKCS12_FILE',
    { SEALPOST_TLS_CLIENT_PKCS12_FILE: authority.pkcs12(CLIENT, PASSPHRASE) },
  ],
  [
    'a PEM file for PKCS#12',
    'SEALPOST_TLS_CLIENT_PKCS12_FILE',
    { SEALPOST_TLS_CLIENT_PKCS12_FILE: pem(CLIENT)['SEALPOST_TLS_CLIENT_CERT_FILE'] },
  ],
];

describe('refuses to start, exit code 78, with', { concurrency: 3 }, () => {
  for (const [what, variable, variables] of BROKEN) {
    test(what, LIMIT, async () => {
      const run = runSealpost(['serve'], {
        SEALPOST_UPSTREAM: 'smtps://mail.example.test',
        SEALPOST_HOSTNAME: 'relay.example.test',
        SEALPOST_LISTEN: '127.0.0.1:0',
        ...variables,
      });
      const stuck = setTimeout(() => run.child.kill('SIGKILL'), 20_000); // a configuration that was taken serves on
      await once(run.child, 'close');
      clearTimeout(stuck);
      assert.equal(run.child.exitCode, EX_CONFIG, run.output);
      assert.match(run.output, new RegExp(`^.*\\b${variable}\\b`, 'm'));
      for (const secret of ['canary', 'PRIVATE KEY']) assert.ok(!run.output.includes(secret));
      assert.doesNotMatch(run.output, /^\s+at .*[(:]\d+/m, 'no stack trace');
    });
  }
});
