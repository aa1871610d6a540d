/**
 * What `sealpost check` tells of upstreams that are configured: those with a name, and those of a known provider.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { checkAsJson, read, runCheck } from '../support/check-run.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { TestAuthority } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import { ScriptedUpstream, type Script } from '../support/scripted-upstream.ts';

const authority = new TestAuthority();
after(() => authority.remove());

const identity = authority.issue();
const REFUSED =
  '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.';

async function start(script: Partial<Script> = {}): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
}

async function startRefusing(): Promise<ScriptedUpstream> {
  return start({
    keywords: ['AUTH LOGIN'],
    answer: (line) => (line.startsWith('AUTH') ? `${REFUSED}\r\n` : undefined),
  });
}

describe('sealpost check', { concurrency: 2 }, () => {
  test('tells next to a refusal what the provider means by it', async () => {
    await using upstream = await startRefusing();
    const variables: Variables = {
      SEALPOST_TLS_CA_FILE: authority.caFile,
      SEALPOST_PROVIDER: 'microsoft365',
      SEALPOST_UPSTREAM: upstream.url,
      SEALPOST_UPSTREAM_USER: 'relay-user',
      SEALPOST_UPSTREAM_PASSWORD: CANARY_PASSWORD,
    };
    const { port, code } = await checkAsJson([], variables);
    assert.equal(code, 69);
    assert.match(port.verdict.sentence, /SmtpClientAuthentication is disabled for the Tenant/);
    assert.match(port.verdict.hint ?? '', /^SMTP AUTH is off for this organisation or mailbox/);
    const { stdout } = await runCheck([], variables);
    assert.match(stdout, /^ {4}verdict {6}auth \(535\): .*\n {4}provider {5}SMTP AUTH is off/m);
  });

  test('takes the NAME of an upstream, tells it, and speaks in the words of its variables', async () => {
    await using main = await start();
    await using bulk = await startRefusing();
    const variables: Variables = {
      SEALPOST_TLS_CA_FILE: authority.caFile,
      SEALPOST_UPSTREAM: main.url,
      SEALPOST_UPSTREAM_BULK_URL: bulk.url,
      SEALPOST_UPSTREAM_BULK_PROVIDER: 'microsoft365',
      SEALPOST_UPSTREAM_BULK_USER: 'bulk-user',
      SEALPOST_UPSTREAM_BULK_PASSWORD: CANARY_PASSWORD,
      SEALPOST_ROUTES: 'from=@bulk.test -> bulk',
    };
    const one = await checkAsJson(['bulk'], variables);
    assert.deepEqual(
      one.diagnosis.upstreams.map(({ name }) => name),
      ['BULK'],
    );
    assert.equal(one.code, 69);
    assert.equal(main.connections.length, 0);
    assert.match(
      one.port.verdict.sentence,
      /check SEALPOST_UPSTREAM_BULK_USER and SEALPOST_UPSTREAM_BULK_PASSWORD/,
    );
    assert.match(one.port.verdict.hint ?? '', /SMTP AUTH is off/);
    const all = await runCheck(['--json'], variables);
    assert.deepEqual(
      read(all).upstreams.map(({ name }) => name),
      [undefined, 'BULK'],
    );
    const both = await runCheck(['BULK', main.url], variables);
    assert.match(both.stdout, new RegExp(`^BULK: ${bulk.url}`, 'm'));
    assert.match(both.stdout, new RegExp(`^${main.url}`, 'm'));
  });
});
