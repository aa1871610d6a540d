/**
 * What an upstream with a name has of its own, and what it shares with the others.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { loadSettings, type Settings } from '../../../src/config/settings.ts';
import { TestAuthority } from '../../support/pki.ts';

const PIN = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';
const [main, bulk] = [new TestAuthority('Main CA'), new TestAuthority('Bulk CA')];
after(() => {
  for (const authority of [main, bulk]) authority.remove();
});

function settingsOf(variables: Readonly<Record<string, string>>): Settings {
  const loaded = loadSettings({
    SEALPOST_HOSTNAME: 'relay.example.test',
    SEALPOST_UPSTREAM: 'smtps://main.test',
    SEALPOST_UPSTREAM_BULK_URL: 'smtps://bulk.test',
    SEALPOST_ROUTES: 'from=@bulk.test -> bulk',
    ...variables,
  });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

function bulkOf(variables: Readonly<Record<string, string>>): Settings['namedUpstreams'][number] {
  const [one, ...more] = settingsOf(variables).namedUpstreams;
  if (one === undefined || more.length > 0) throw new Error('not one upstream');
  return one;
}

test('gives it no login of another upstream', () => {
  for (const login of [
    { SEALPOST_UPSTREAM_USER: 'u', SEALPOST_UPSTREAM_PASSWORD: 'p' },
    { SEALPOST_UPSTREAM: 'smtps://u:p@main.test' },
    { SEALPOST_UPSTREAM_OTHER_URL: 'smtps://u:p@other.test' },
  ]) {
    for (const { name, destinations } of settingsOf(login).namedUpstreams)
      assert.deepEqual(
        destinations.map(({ credentials }) => credentials !== undefined),
        [name !== 'BULK'],
      );
  }
});

test('gives it no client certificate and no token', () => {
  const { key, cert } = main.issue();
  const [keyFile, certFile] = [join(main.directory, 'client.key'), join(main.directory, 'client.pem')];
  writeFileSync(keyFile, key);
  writeFileSync(certFile, cert);
  const variables = {
    SEALPOST_TLS_CLIENT_CERT_FILE: certFile,
    SEALPOST_TLS_CLIENT_KEY_FILE: keyFile,
    SEALPOST_UPSTREAM_USER: 'u',
    SEALPOST_OAUTH_GRANT: 'client-credentials',
    SEALPOST_OAUTH_TOKEN_URL: 'https://token.test/',
    SEALPOST_OAUTH_CLIENT_ID: 'c',
    SEALPOST_OAUTH_CLIENT_SECRET: 's',
  };
  assert.ok(settingsOf(variables).trust.clientIdentity !== undefined);
  const { trust, destinations } = bulkOf(variables);
  assert.equal(trust.clientIdentity, undefined);
  assert.equal(destinations[0]?.credentials, undefined);
});

const TOKENS = {
  SEALPOST_UPSTREAM_BULK_USER: 'b',
  SEALPOST_UPSTREAM_BULK_OAUTH_GRANT: 'refresh-token',
  SEALPOST_UPSTREAM_BULK_OAUTH_CLIENT_ID: 'own',
};

test('gives it its own account for tokens, beside that of another', () => {
  const settings = settingsOf({
    ...TOKENS,
    SEALPOST_UPSTREAM_BULK_OAUTH_TOKEN_URL: 'https://bulk.test/token',
    SEALPOST_UPSTREAM_USER: 'u',
    SEALPOST_OAUTH_GRANT: 'client-credentials',
    SEALPOST_OAUTH_TOKEN_URL: 'https://main.test/token',
    SEALPOST_OAUTH_CLIENT_ID: 'c',
    SEALPOST_OAUTH_CLIENT_SECRET: 's',
    SEALPOST_OAUTH_SCOPE: 'main',
  });
  const all = [settings, ...settings.namedUpstreams].map(({ destinations }) => destinations[0]?.credentials);
  const accounts = all.map((credentials) =>
    credentials?.kind === 'token' ? credentials.account : undefined,
  );
  assert.deepEqual(
    accounts.map((one) => [
      one?.user,
      one?.clientId,
      one?.grant.kind,
      one?.endpoints.tokenUrl,
      one?.endpoints.scope,
    ]),
    [
      ['u', 'c', 'client-credentials', 'https://main.test/token', 'main'],
      ['b', 'own', 'refresh-token', 'https://bulk.test/token', ''],
    ],
  );
});

test('lets it be a provider, with endpoints, refusals and limits for it alone', () => {
  const settings = settingsOf({
    ...TOKENS,
    SEALPOST_UPSTREAM_BULK_URL: '',
    SEALPOST_UPSTREAM_BULK_PROVIDER: 'microsoft365',
  });
  const [one] = settings.namedUpstreams.flatMap(({ destinations }) => destinations);
  assert.ok(one?.place.kind === 'host' && one.credentials?.kind === 'token');
  assert.deepEqual(one.place.endpoints, [{ tls: 'starttls', port: 587 }]);
  assert.match(one.credentials.account.endpoints.deviceUrl ?? '', /organizations\/oauth2\/v2.0\/devicecode$/);
  assert.deepEqual(one.caps, { max: 3, maxAgeMs: 600_000, messagesPerMinute: 30 });
  assert.ok((one.hints?.length ?? 0) > 0);
  const [unnamed] = settings.destinations;
  assert.deepEqual([unnamed?.caps, unnamed?.hints, settings.hopLimits.max > 3], [undefined, undefined, true]);
});

test('shows no token that is its user and its password', () => {
  const { shown, namedUpstreams } = settingsOf({
    SEALPOST_UPSTREAM_BULK_URL: '',
    SEALPOST_UPSTREAM_BULK_PROVIDER: 'postmark',
    SEALPOST_UPSTREAM_BULK_PASSWORD: 'token-canary',
  });
  const credentials = namedUpstreams[0]?.destinations[0]?.credentials;
  assert.ok(credentials?.kind === 'password' && credentials.user === 'token-canary');
  assert.ok(!JSON.stringify(shown).includes('canary'));
});

const FAULTS = [
  [{ PROVIDER: 'gmial' }, ['SEALPOST_UPSTREAM_BULK_PROVIDER']],
  [
    { OAUTH_GRANT: 'refresh-token', USER: 'b' },
    ['SEALPOST_UPSTREAM_BULK_OAUTH_TOKEN_URL', 'SEALPOST_UPSTREAM_BULK_OAUTH_CLIENT_ID'],
  ],
  [{ OAUTH_SCOPE: 'mail' }, ['SEALPOST_UPSTREAM_BULK_OAUTH_GRANT']],
  [{ AUTH: 'EXTERNAL', USER: 'b', PASSWORD: 'p' }, ['SEALPOST_UPSTREAM_BULK_AUTH']],
] as const;
for (const [variables, expected] of FAULTS)
  test(`names ${expected.join(' and ')} where something is wrong there`, () => {
    const own = Object.entries(variables).map(([name, text]) => [`SEALPOST_UPSTREAM_BULK_${name}`, text]);
    const url = 'PROVIDER' in variables ? '' : 'smtps://bulk.test';
    const loaded = loadSettings({
      SEALPOST_HOSTNAME: 'relay.example.test',
      SEALPOST_UPSTREAM: 'smtps://main.test',
      SEALPOST_UPSTREAM_BULK_URL: url,
      SEALPOST_ROUTES: '-> bulk',
      ...Object.fromEntries(own),
    });
    assert.deepEqual('problems' in loaded ? loaded.problems.map(({ variable }) => variable) : [], expected);
  });

test('gives it neither pin nor server name of another', () => {
  const variables = { SEALPOST_TLS_PIN_SHA256: PIN, SEALPOST_TLS_SERVER_NAME: 'name.test' };
  const [one] = bulkOf(variables).destinations;
  assert.deepEqual(one?.authentication, { by: 'pkix' });
  assert.equal(one.serverName, undefined);
});

test('gives it its own login, pin and server name', () => {
  const [one] = bulkOf({
    SEALPOST_UPSTREAM_BULK_USER: 'b',
    SEALPOST_UPSTREAM_BULK_PASSWORD: 'p',
    SEALPOST_UPSTREAM_BULK_AUTH: 'PLAIN',
    SEALPOST_UPSTREAM_BULK_PIN_SHA256: PIN,
    SEALPOST_UPSTREAM_BULK_SERVER_NAME: 'name.test',
  }).destinations;
  assert.deepEqual(one?.authentication, { by: 'pin', pins: [PIN] });
  assert.equal(one.serverName?.kind, 'dns');
  assert.ok(one.credentials?.kind === 'password' && one.credentials.user === 'b');
  assert.deepEqual(one.credentials.mechanisms, ['PLAIN']);
});

test('trusts the authorities for all and its own, and lets no other trust its own', () => {
  const variables = { SEALPOST_TLS_CA_FILE: main.caFile, SEALPOST_UPSTREAM_BULK_CA_FILE: bulk.caFile };
  const pem = [main, bulk].map(({ caPem }) => caPem.trim());
  assert.deepEqual(bulkOf(variables).trust.addedAnchors, pem);
  assert.deepEqual(settingsOf(variables).trust.addedAnchors, pem.slice(0, 1));
});

test('shares what is said about all hops', () => {
  const { trust, destinations } = bulkOf({
    SEALPOST_TLS_MIN_VERSION: 'TLSv1.3',
    SEALPOST_TLS_CA_ONLY: 'on',
    SEALPOST_TLS_CA_FILE: main.caFile,
    SEALPOST_TLS_DANE: 'require',
    SEALPOST_DNS_RESOLVER: '127.0.0.1:53',
  });
  assert.equal(trust.minVersion, 'TLSv1.3');
  assert.equal(trust.isAnchorsOnly, true);
  assert.deepEqual(destinations[0]?.authentication, { by: 'dane', otherwise: 'refuse' });
});

test('warns of one that no rule leads to', () => {
  const { warnings } = settingsOf({ SEALPOST_UPSTREAM_IDLE_URL: 'smtps://idle.test' });
  assert.deepEqual(
    warnings.map(({ variable }) => variable),
    ['SEALPOST_UPSTREAM_IDLE_URL'],
  );
});

test('takes rules from a file, and shows them on one line', () => {
  const file = join(main.directory, 'routes');
  writeFileSync(file, '# rules\r\nto=@bulk.test -> BULK\r\n\r\n');
  const { routes, shown } = settingsOf({ SEALPOST_ROUTES: '', SEALPOST_ROUTES_FILE: file });
  assert.deepEqual(
    routes.map(({ line, verdict }) => [line, verdict]),
    [[2, { name: 'BULK' }]],
  );
  assert.equal(shown['SEALPOST_ROUTES'], '# rules | to=@bulk.test -> BULK');
});
