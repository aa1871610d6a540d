import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { loadNamedUpstreams } from '../../../src/config/named-upstreams.ts';
import { parseProvider, PROVIDER_NAMES } from '../../../src/config/provider.ts';
import { PROVIDERS } from '../../../src/config/providers.ts';
import { loadSettings, type Settings } from '../../../src/config/settings.ts';
import { parseUpstreams } from '../../../src/config/upstream-list.ts';

const LOGIN = { SEALPOST_UPSTREAM_USER: 'u', SEALPOST_UPSTREAM_PASSWORD: 'p@/:?#%41' };
/** Of a reply line, code and enhanced code included (RFC 5321 §4.5.3.1.5). */
const LINE_OCTETS = 512;

/** Every text that SEALPOST_PROVIDER may have, regions and the like by example. */
const TEXTS = Object.entries(PROVIDERS).flatMap(([name, { upstreams, variant }]) =>
  Object.keys(upstreams).map((key) => {
    if (key === '*') return `${name}:${variant?.example ?? ''}`;
    return key === '' ? name : `${name}:${key}`;
  }),
);

function settingsOf(variables: Readonly<Record<string, string>>): Settings {
  const loaded = loadSettings({ SEALPOST_HOSTNAME: 'relay.example.test', ...variables });
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  return loaded.settings;
}

suite('a provider', () => {
  for (const text of TEXTS) {
    test(`${text} is one host, reached with TLS by 465, 587 or its own port`, () => {
      const { defaults } = parseProvider(text);
      const entries = parseUpstreams(defaults['SEALPOST_UPSTREAM'] ?? '');
      assert.equal(entries.length, 1);
      const [{ place, login, pins, serverName } = assert.fail()] = entries;
      assert.deepEqual([login, pins, serverName], [undefined, undefined, undefined]);
      assert.equal(place.kind, 'host');
      const { destinations } = settingsOf({ SEALPOST_PROVIDER: text, ...LOGIN });
      assert.deepEqual(destinations[0]?.place, place);
      assert.deepEqual(destinations[0]?.authentication, { by: 'pkix' });
    });
  }

  test('explains refusals in one line of ASCII each', () => {
    for (const { hints, title } of Object.values(PROVIDERS))
      for (const { sentence, ...condition } of hints) {
        assert.match(sentence, /^[\x20-\x7e]+\.$/, title);
        assert.ok(sentence.length < LINE_OCTETS - 20, sentence);
        assert.ok(Object.keys(condition).length > 0, `${title}: ${sentence} fits every refusal`);
      }
  });

  test('gives tokens out over https alone', () => {
    for (const text of TEXTS) {
      const endpoints = Object.values(parseProvider(text).oauth ?? {});
      const urls = endpoints.flatMap(({ tokenUrl, deviceUrl, authorizationUrl }) => [
        tokenUrl,
        deviceUrl,
        authorizationUrl,
      ]);
      for (const url of urls) assert.match(url ?? 'https://none', /^https:\/\/[^{}]+$/);
    }
  });

  test('has a tenant of its own where one is named', () => {
    assert.equal(
      tokenUrlOf('microsoft365'),
      'https://login.microsoftonline.com/organizations/oauth2/v2.0/token',
    );
    assert.equal(
      tokenUrlOf('microsoft365:contoso.onmicrosoft.com'),
      'https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token',
    );
  });

  test('is read whatever the case', () => {
    assert.equal(parseProvider(' Microsoft365 ').name, 'microsoft365');
    assert.equal(
      parseProvider('SES:EU-WEST-1').defaults['SEALPOST_UPSTREAM'],
      'email-smtp.eu-west-1.amazonaws.com',
    );
  });

  for (const text of ['', 'constructor', 'outlook', '*']) {
    test(`"${text}" is unknown, and the known ones are named`, () => {
      assert.throws(() => parseProvider(text), new RegExp(`should be one of ${PROVIDER_NAMES.join(', ')}`));
    });
  }

  for (const text of [
    'ses',
    'ses:',
    'ses:*',
    'ses:evil.example/',
    'ses:eu-west-1.example.org#',
    'gmail:eu',
    'proton-bridge:65536',
  ]) {
    test(`"${text}" has a wrong region, and the right form is shown`, () => {
      assert.throws(
        () => parseProvider(text),
        /should be (?:such as (?:ses:eu-west-1|proton-bridge, proton-bridge:1026)|gmail)$/,
      );
    });
  }
});

suite('SEALPOST_PROVIDER', () => {
  test('sets what the provider allows', () => {
    const { hopLimits } = settingsOf({ SEALPOST_PROVIDER: 'microsoft365', ...LOGIN });
    assert.deepEqual([hopLimits.max, hopLimits.maxAgeMs], [3, 600_000]);
    assert.equal(settingsOf({ SEALPOST_PROVIDER: 'scaleway', ...LOGIN }).hopLimits.maxMessages, 10);
  });

  test('comes behind what is set', () => {
    const { hopLimits } = settingsOf({
      SEALPOST_PROVIDER: 'scaleway',
      ...LOGIN,
      SEALPOST_POOL_MAX_MESSAGES: '7',
    });
    assert.equal(hopLimits.maxMessages, 7);
    const own = settingsOf({ SEALPOST_PROVIDER: 'sendgrid', ...LOGIN });
    assert.equal(userOf(own), 'u');
  });

  test('knows the user where everybody has the same, or the password is one too', () => {
    const password = { SEALPOST_UPSTREAM_PASSWORD: 'token-canary' };
    assert.equal(userOf(settingsOf({ SEALPOST_PROVIDER: 'sendgrid', ...password })), 'apikey');
    const postmark = settingsOf({ SEALPOST_PROVIDER: 'postmark', ...password });
    assert.equal(userOf(postmark), 'token-canary');
    assert.ok(!JSON.stringify(postmark.shown).includes('canary'), 'the token is shown as the user');
  });

  test('lets passwords go by its mechanisms alone, unless SEALPOST_UPSTREAM_AUTH names others', () => {
    assert.deepEqual(mechanismsWith({}), ['LOGIN']);
    assert.deepEqual(mechanismsWith({ SEALPOST_UPSTREAM_AUTH: 'PLAIN' }), ['PLAIN']);
  });

  test('keeps its credentials from other upstreams that are named on the command line', () => {
    const environment = { SEALPOST_HOSTNAME: 'relay.example.test', SEALPOST_PROVIDER: 'gmail', ...LOGIN };
    const named = loadNamedUpstreams(['smtp.gmail.com', 'smtps://mail.example.test'], environment);
    if ('problems' in named) assert.fail(JSON.stringify(named.problems));
    const { destinations } = named.settings;
    assert.deepEqual(
      destinations.map(({ credentials }) => credentials?.kind),
      ['password', undefined],
    );
    assert.deepEqual([...named.strangers], destinations.slice(1));
  });

  test('leaves SEALPOST_UPSTREAM its say about host and ports, and keeps all else', () => {
    const upstream = { SEALPOST_UPSTREAM: 'smtps://vpce-1.example.test:2465' };
    const settings = settingsOf({ SEALPOST_PROVIDER: 'ses:eu-west-1', ...LOGIN, ...upstream });
    const [one, ...more] = settings.destinations;
    assert.deepEqual(more, []);
    assert.ok(one?.place.kind === 'host' && one.credentials?.kind === 'password');
    assert.deepEqual(one.place.endpoints, [{ tls: 'implicit', port: 2_465 }]);
    assert.deepEqual(one.credentials.mechanisms, ['PLAIN', 'LOGIN']);
    assert.ok((one.hints?.length ?? 0) > 0);
  });

  test('wants a tenant where an application speaks for itself', () => {
    const client = {
      SEALPOST_UPSTREAM_USER: 'u',
      SEALPOST_OAUTH_GRANT: 'client-credentials',
      SEALPOST_OAUTH_CLIENT_ID: 'c',
      SEALPOST_OAUTH_CLIENT_SECRET: 's',
    };
    const loaded = loadSettings({ SEALPOST_PROVIDER: 'microsoft365', ...client });
    assert.deepEqual('problems' in loaded ? loaded.problems : [], [
      {
        variable: 'SEALPOST_OAUTH_TOKEN_URL',
        text: 'is required with SEALPOST_OAUTH_GRANT=client-credentials; or name the tenant, such as SEALPOST_PROVIDER=microsoft365:contoso.onmicrosoft.com',
      },
    ]);
    settingsOf({ SEALPOST_PROVIDER: 'microsoft365:contoso.onmicrosoft.com', ...client });
  });

  test('needs no login at the relay service of Google alone', () => {
    assert.equal(userOf(settingsOf({ SEALPOST_PROVIDER: 'gmail-relay' })), undefined);
    const loaded = loadSettings({ SEALPOST_PROVIDER: 'gmail' });
    assert.deepEqual('problems' in loaded ? loaded.problems : [], [
      { variable: 'SEALPOST_UPSTREAM_USER', text: 'is required with SEALPOST_PROVIDER=gmail' },
    ]);
  });
});

function userOf({ destinations }: Settings): string | undefined {
  const credentials = destinations[0]?.credentials;
  return credentials?.kind === 'password' ? credentials.user : undefined;
}

function tokenUrlOf(text: string): string | undefined {
  return parseProvider(text).oauth?.delegated.tokenUrl;
}

function mechanismsWith(variables: Readonly<Record<string, string>>): unknown {
  const { destinations } = settingsOf({ SEALPOST_PROVIDER: 'microsoft365', ...LOGIN, ...variables });
  const credentials = destinations[0]?.credentials;
  return credentials?.kind === 'password' ? credentials.mechanisms : undefined;
}
