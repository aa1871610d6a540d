/**
 * What of the upstreams stays when the configuration is read again.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { isSame } from '../../../src/commands/kept.ts';
import { upstreamsOf } from '../../../src/commands/upstreams.ts';
import { loadSettings, type Settings } from '../../../src/config/settings.ts';
import { Secret } from '../../../src/protocol/secret.ts';
import { TestAuthority } from '../../support/pki.ts';

const authority = new TestAuthority();
after(() => authority.remove());
const log = { emit: (): void => undefined };
const pem = authority.issue();
const [certFile, keyFile] = [pem.cert, pem.key].map((text, index) => {
  const path = join(authority.directory, `own-${index}`);
  writeFileSync(path, text);
  return path;
});

const ENVIRONMENT = {
  SEALPOST_PROVIDER: 'gmail',
  SEALPOST_UPSTREAM_USER: 'relay@example.test',
  SEALPOST_OAUTH_GRANT: 'refresh-token',
  SEALPOST_OAUTH_CLIENT_ID: 'id',
  SEALPOST_OAUTH_CLIENT_SECRET: 'secret',
  SEALPOST_OAUTH_REFRESH_TOKEN: 'seed',
  SEALPOST_TLS_CA_FILE: authority.caFile,
  SEALPOST_TLS_CLIENT_CERT_FILE: certFile,
  SEALPOST_TLS_CLIENT_KEY_FILE: keyFile,
  SEALPOST_DNS_RESOLVER: 'tls://192.0.2.53?server-name=dns.example.test',
  SEALPOST_UPSTREAM_BULK_URL: 'smtps://bulk:password@bulk.example.test',
  SEALPOST_UPSTREAM_SHOP_URL: 'shop.example.test?pin=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  SEALPOST_ROUTES: 'from=@bulk.test -> BULK\nfrom=@shop.test -> SHOP',
};

function settings(changes: Readonly<Record<string, string>> = {}): Settings {
  const loaded = loadSettings({ ...ENVIRONMENT, ...changes });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

test('keeps every upstream when nothing has changed', () => {
  const before = upstreamsOf(settings(), log);
  const now = upstreamsOf(settings(), log, { before: before.kept });
  assert.deepEqual(now.gone, []);
  assert.equal(now.routes.fallback, before.routes.fallback);
  assert.equal(now.validating, before.validating);
  const again = upstreamsOf(settings(), log, { before: now.kept });
  assert.equal(again.targets[0], before.targets[0]);
});

const CHANGES = [
  ['the password of one', { SEALPOST_UPSTREAM_BULK_URL: 'smtps://bulk:other@bulk.example.test' }, 1],
  ['a secret of its token', { SEALPOST_OAUTH_CLIENT_SECRET: 'other' }, 1],
  ['the name of the server', { SEALPOST_UPSTREAM_SHOP_URL: 'store.example.test' }, 1],
  ['the routes', { SEALPOST_ROUTES: 'from=@x.test -> BULK\nfrom=@shop.test -> SHOP' }, 0],
  ['the trust of all', { SEALPOST_TLS_MIN_VERSION: 'TLSv1.3' }, 3],
] as const;

for (const [what, changes, gone] of CHANGES) {
  test(`replaces no upstream but those that have changed: ${what}`, () => {
    const before = upstreamsOf(settings(), log);
    assert.equal(upstreamsOf(settings(changes), log, { before: before.kept }).gone.length, gone);
  });
}

test('takes what it cannot compare for changed', () => {
  const key = generateKeyPairSync('ed25519').privateKey;
  const other = generateKeyPairSync('ed25519').privateKey;
  assert.ok(
    isSame(
      { a: [new Secret('x'), key, new Map([['b', Buffer.from('c')]])] },
      { a: [new Secret('x'), key, new Map([['b', Buffer.from('c')]])] },
    ),
  );
  for (const [one, two] of [
    [new Secret('x'), new Secret('y')],
    [key, other],
    [Buffer.from('x'), Buffer.from('y')],
    [new Map([['a', 1]]), new Map([['a', 2]])],
    [new Date(0), new Date(0)],
    [{ a: undefined }, { b: 1 }],
    [[], {}],
    [['a'], ['a', 'b']],
  ])
    assert.ok(!isSame(one, two));
});
