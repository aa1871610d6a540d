/**
 * What `sealpost check` prints, and to whom: text, JSON, usage, problems with variables.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { after, describe, test } from 'node:test';

import { read, runCheck } from '../support/check-run.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { INHERITED } from '../support/inherited-environment.ts';
import { TestAuthority } from '../support/pki.ts';
import type { Variables } from '../support/relay-process.ts';
import { GOOD_KEYWORDS, ScriptedUpstream } from '../support/scripted-upstream.ts';

const authority = new TestAuthority();
after(() => authority.remove());

const identity = authority.issue();
const TRUST: Variables = { SEALPOST_TLS_CA_FILE: authority.caFile };
const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

describe('The text for people', { concurrency: 4 }, () => {
  test('has one verdict line for each port, and a last line that says whether mail would be delivered', async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'starttls', identity });
    const wrong = `smtps://localhost:${upstream.port}`;
    const { stdout, stderr, code } = await runCheck([upstream.url, wrong], TRUST);
    const verdicts = stdout.split('\n').filter((line) => line.trimStart().startsWith('verdict'));
    assert.equal(verdicts.length, 2, stdout);
    assert.match(verdicts[0] ?? '', /^ {4}verdict {6}secured: /);
    assert.ok(verdicts.join().includes(`use smtp://localhost:${upstream.port}`), stdout);
    assert.match(stdout, /\nMail would not be delivered\.\n$/);
    assert.match(stdout, /^ {4}SPKI pin {5}\S{43}=$/m);
    assert.match(stdout, /^ {4}AUTH {9}PLAIN LOGIN$/m);
    assert.match(stdout, /^ {4}lacks {8}REQUIRETLS, CHUNKING$/m);
    assert.equal(stderr, '');
    assert.equal(code, 69);
  });

  test('has no escape sequence where no terminal is, and none of the server’s making', async () => {
    await using upstream = await ScriptedUpstream.start({
      mode: 'starttls',
      identity: authority.issue({ commonName: 'evil\u202e[31m', san: 'DNS:localhost' }),
      greeting: '220 \x1b[2J\x1b]0;gotcha\x07\u202eupstream.test ESMTP\r\n',
      keywords: [...GOOD_KEYWORDS.filter((one) => !one.startsWith('AUTH')), 'AUTH PLAIN \x1b[31mRED'],
    });
    const { stdout, code } = await runCheck([upstream.url], TRUST);
    assert.doesNotMatch(stdout, /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.equal(code, 0);
  });

  test('is bounded, whatever a server says', async () => {
    const names = Array.from({ length: 500 }, (_, index) => `DNS:host-${index}.example.test`);
    await using upstream = await ScriptedUpstream.start({
      mode: 'starttls',
      identity: authority.issue({ san: ['DNS:localhost', ...names].join(',') }),
      greeting: `220 ${'x'.repeat(480)}\r\n`,
      keywords: [`AUTH ${'PLAIN '.repeat(70)}`],
    });
    const { stdout, code } = await runCheck([upstream.url], TRUST);
    assert.equal(code, 0);
    assert.ok(stdout.length < 6_000, `${stdout.length} characters`);
  });

  test('has colours on a terminal, unless NO_COLOR or --no-color says otherwise', async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
    assert.ok((await onTerminal([upstream.url], TRUST)).includes('\x1b[32msecured\x1b[39m'));
    for (const [args, variables] of [
      [['--no-color'], {}],
      [[], { NO_COLOR: '1' }],
    ] as const) {
      const text = await onTerminal([...args, upstream.url], { ...TRUST, ...variables });
      assert.ok(!text.includes('\x1b'), text);
      assert.match(text, / secured: /);
    }
  });

  test('may lose its reader', async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
    const child = spawn(process.execPath, [CLI, 'check', upstream.url], {
      env: { ...INHERITED, SEALPOST_TLS_CA_FILE: authority.caFile },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (octets: Buffer) => (stderr += octets.toString()));
    await once(child, 'close');
    assert.equal(child.exitCode, 0);
    assert.equal(stderr, '');
  });
});

describe('--json', () => {
  test('prints one document and nothing else, without any secret', async () => {
    await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity });
    const url = `smtps://relay-user:${CANARY_PASSWORD}@localhost:${upstream.port}`;
    const run = await runCheck(['--json', url], TRUST);
    const { delivers, upstreams, resolver, warnings } = read(run);
    assert.deepEqual([delivers, upstreams.length, resolver, warnings], [true, 1, undefined, []]);
    assert.ok(!run.stdout.includes('relay-user'), 'nor a user name');
    assert.equal(run.stderr, '');
    const names = [...run.stdout.matchAll(/"([^"]+)":/g)].map(([, name]) => name ?? '');
    for (const name of names) assert.match(name, /^[a-z][A-Za-z0-9]*$/);
  });
});

describe('A command line that is wrong', () => {
  const lines: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['an unknown option', ['--insecure'], /--insecure/],
    ['two outputs at once', ['--json', '--pin', 'localhost'], /exclude each other/],
    ['an upstream of another scheme', ['http://localhost'], /argument 1: the scheme should be/],
    ['no host', ['localhost', 'smtps://'], /argument 2: /],
    ['a password that is not encoded', [`smtps://u:${CANARY_PASSWORD}/x%@localhost`], /argument 1: /],
    ['an empty argument', [''], /argument 1: /],
  ];
  for (const [what, args, text] of lines) {
    test(`gets the usage and exit code 64: ${what}`, async () => {
      const { code, stdout, stderr } = await runCheck(args, TRUST);
      assert.equal(code, 64);
      assert.equal(stdout, '');
      assert.match(stderr, text);
      assert.match(stderr, /Usage: sealpost check/);
    });
  }

  test('is not one that asks for help', async () => {
    const { code, stdout } = await runCheck(['--help']);
    assert.equal(code, 0);
    assert.match(stdout, /^Usage: sealpost check/);
    for (const exitCode of [0, 64, 69, 78]) assert.match(stdout, new RegExp(`^ +${exitCode}  `, 'm'));
    assert.match(stdout, /by each upstream that is named here/);
  });
});

describe('Variables that are wrong', () => {
  const environments: readonly (readonly [string, readonly string[], Variables, RegExp])[] = [
    [
      'no upstream anywhere',
      [],
      {},
      /^sealpost: SEALPOST_UPSTREAM is required, or name one: sealpost check HOST$/m,
    ],
    [
      'a wrong upstream beside an argument',
      ['localhost'],
      { SEALPOST_UPSTREAM: 'ftp://x' },
      /UPSTREAM the scheme/,
    ],
    ['an unknown name', ['localhost'], { SEALPOST_UPSTREM: 'x' }, /is it SEALPOST_UPSTREAM\?/],
    [
      'DANE without a resolver',
      ['localhost'],
      { SEALPOST_TLS_DANE: 'require' },
      /SEALPOST_DNS_RESOLVER is required/,
    ],
    [
      'a named address where DANE is required',
      ['smtps://127.0.0.1'],
      {
        SEALPOST_UPSTREAM: 'mail.example.test',
        SEALPOST_TLS_DANE: 'require',
        SEALPOST_DNS_RESOLVER: '127.0.0.1:1',
      },
      /SEALPOST_TLS_SERVER_NAME is required/,
    ],
  ];
  for (const [what, args, variables, text] of environments) {
    test(`are told one a line, and the exit code is 78: ${what}`, async () => {
      const { code, stdout, stderr } = await runCheck(args, variables);
      assert.equal(code, 78, stdout);
      assert.equal(stdout, '');
      assert.match(stderr, text);
    });
  }
});

/** What a terminal gets to see. */
async function onTerminal(args: readonly string[], variables: Variables): Promise<string> {
  const env: Record<string, string> = { ...INHERITED, TERM: 'xterm-256color' };
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) env[name] = value;
  const line = [process.execPath, CLI, 'check', ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', line, '/dev/null'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (octets: Buffer) => (text += octets.toString()));
  await once(child, 'close');
  return text;
}
