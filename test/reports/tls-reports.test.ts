/**
 * Reports on TLS: a file for each day and upstream, as RFC 8460 writes them.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import type { Log } from '../../src/log/log.ts';
import { ReportDirectory } from '../../src/reports/report-directory.ts';
import { authority, scene, sendTo } from '../support/pool-scene.ts';
import { runSealpost } from '../support/relay-process.ts';
import { reportFaults } from '../support/tls-report-grammar.ts';
import { TestAuthority } from '../support/pki.ts';
import { stopped } from '../support/workers.ts';

const stranger = new TestAuthority('A stranger');
const root = mkdtempSync(join(tmpdir(), 'sealpost-reports-'));
after(() => {
  authority.remove();
  stranger.remove();
  rmSync(root, { recursive: true });
});

const SILENT: Log = { emit: () => undefined };

function reportIn(file: string): Record<string, unknown> {
  const report: unknown = JSON.parse(readFileSync(file, 'utf8'));
  assert.deepEqual(reportFaults(report), []);
  return Object.fromEntries(Object.entries(report ?? {}));
}

test('counts hops that were secured and tells how others failed, in one report for a day with a restart in it', async () => {
  const directory = join(root, 'made', 'here');
  const variables = { SEALPOST_TLS_REPORT_DIR: directory };
  for (const identity of [authority.issue(), stranger.issue(), stranger.issue()]) {
    await using stage = await scene({ identity }, variables);
    await sendTo(stage.relay);
    await stopped(stage.relay);
  }
  const [name = '', ...others] = readdirSync(directory);
  assert.deepEqual(others, [], 'the tests ran over midnight');
  const [, begin = '', end = ''] = /^relay\.example\.test!localhost!(\d+)!(\d+)\.json$/.exec(name) ?? [];
  assert.deepEqual([Number(begin) % 86_400, Number(end) - Number(begin)], [0, 86_399]);
  assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
  const { policies, ...rest } = reportIn(join(directory, name));
  assert.equal(rest['organization-name'], 'relay.example.test');
  assert.deepEqual(policies, [
    {
      policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'localhost' },
      summary: { 'total-successful-session-count': 1, 'total-failure-session-count': 2 },
      'failure-details': [
        {
          'result-type': 'certificate-not-trusted',
          'sending-mta-ip': '127.0.0.1',
          'receiving-mx-hostname': 'localhost',
          'receiving-ip': '127.0.0.1',
          'failure-reason-code': 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
          'failed-session-count': 2,
        },
      ],
    },
  ]);
});

const AT = {
  hid: 'h',
  host: 'mail.example.test',
  port: 465,
  address: '',
  localAddress: '',
  phase: 'resolve',
} as const;

test('writes a report when its day has ended, and counts what comes then for the next', async (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.parse('2026-11-22T23:59:30Z') });
  const directory = mkdtempSync(join(root, 'days-'));
  const reports = new ReportDirectory(directory, 'relay.example.test', SILENT);
  reports.observer['hop.insecure']?.({ ...AT, resultType: 'dnssec-invalid', reason: 'bogus' });
  t.mock.timers.tick(60_000);
  reports.observer['hop.insecure']?.({ ...AT, resultType: 'tlsa-invalid', reason: 'tlsa-mismatch' });
  await reports.close();
  const found = readdirSync(directory).toSorted();
  const days = found.map((name) => reportIn(join(directory, name))['date-range']);
  assert.deepEqual(days, [
    { 'start-datetime': '2026-11-22T00:00:00Z', 'end-datetime': '2026-11-22T23:59:59Z' },
    { 'start-datetime': '2026-11-23T00:00:00Z', 'end-datetime': '2026-11-23T23:59:59Z' },
  ]);
  assert.match(readFileSync(join(directory, found[0] ?? ''), 'utf8'), /"policy-type": "tlsa"/);
});

test('leaves a file alone that is no report, and tells of it', async () => {
  const directory = mkdtempSync(join(root, 'foreign-'));
  const told: string[] = [];
  const log: Log = { emit: (event, fields) => void told.push(`${event} ${JSON.stringify(fields)}`) };
  const first = new ReportDirectory(directory, 'relay.example.test', log);
  first.observer['hop.insecure']?.({ ...AT, resultType: 'dane-required', reason: 'no-records' });
  await first.close();
  const [name = ''] = readdirSync(directory);
  writeFileSync(join(directory, name), '{"mine": true}');
  const second = new ReportDirectory(directory, 'relay.example.test', log);
  second.observer['hop.insecure']?.({ ...AT, resultType: 'dane-required', reason: 'no-records' });
  await second.close();
  assert.equal(readFileSync(join(directory, name), 'utf8'), '{"mine": true}');
  assert.match(told.join(), /^report\.failed .*not-a-report/);
});

test('refuses to start where there can be no such directory', async () => {
  const run = runSealpost(['serve'], {
    SEALPOST_UPSTREAM: 'smtps://localhost:1',
    SEALPOST_TLS_REPORT_DIR: '/proc/nowhere',
  });
  await once(run.child, 'close');
  assert.equal(run.child.exitCode, 78);
  assert.match(run.output, /^sealpost: SEALPOST_TLS_REPORT_DIR cannot be used \(E[A-Z]+\)$/m);
});

test('is judged by a grammar that takes the example of RFC 8460 and nothing less', () => {
  const example = {
    'organization-name': 'Company-X',
    'date-range': { 'start-datetime': '2016-04-01T00:00:00Z', 'end-datetime': '2016-04-01T23:59:59Z' },
    'contact-info': 'sts-reporting@company-x.example',
    'report-id': '5065427c-23d3-47ca-b6e0-946ea0e8c4be',
    policies: [
      {
        policy: {
          'policy-type': 'sts',
          'policy-string': [
            'version: STSv1',
            'mode: testing',
            'mx: *.mail.company-y.example',
            'max_age: 86400',
          ],
          'policy-domain': 'company-y.example',
          'mx-host': '*.mail.company-y.example',
        },
        summary: { 'total-successful-session-count': 5326, 'total-failure-session-count': 303 },
        'failure-details': [
          {
            'result-type': 'certificate-expired',
            'sending-mta-ip': '2001:db8:abcd:0012::1',
            'receiving-mx-hostname': 'mx1.mail.company-y.example',
            'failed-session-count': 100,
          },
        ],
      },
    ],
  };
  assert.deepEqual(reportFaults(example), []);
  const { 'report-id': _id, ...lacking } = example;
  assert.deepEqual(reportFaults(lacking), ['report.report-id is missing']);
  assert.deepEqual(reportFaults({ ...example, policies: [{ policy: {}, summary: {}, more: 1 }] }).length, 5);
});
