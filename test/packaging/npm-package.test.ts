/**
 * The npm package as its users get it: packed, and installed in an empty directory by npm itself, which asks its cache first
 * and the registry for what is not there.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { askAdmin } from '../support/admin-answer.ts';
import { TestAuthority } from '../support/pki.ts';
import { RelayProcess } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { shippedPath, shippedText } from '../support/shipped-files.ts';

const run = promisify(execFile);
const LIMIT = { timeout: 60_000 };
const MOST_OCTETS = 1e6;

const directory = mkdtempSync(join(tmpdir(), 'sealpost-package-'));
const home = join(directory, 'home');
const authority = new TestAuthority();
const PATH = [join(home, 'node_modules/.bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(':');

let tarball: string;

before(async () => {
  const { stdout } = await npm(shippedPath('.'), 'pack', '--silent', '--pack-destination', directory);
  tarball = join(directory, stdout.trim().split('\n').at(-1) ?? '');
  mkdirSync(home);
  // By itself npm would take the next directory above that has a package.json.
  await npm(
    home,
    'install',
    '--prefix',
    home,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    tarball,
  );
});

after(() => {
  rmSync(directory, { recursive: true });
  authority.remove();
});

test('has all that was compiled, and nothing that is not for its users', async () => {
  const { stdout } = await run('tar', ['-tzf', tarball]);
  const paths = stdout
    .trim()
    .split('\n')
    .map((path) => path.replace('package/', ''));
  assert.ok(statSync(tarball).size < MOST_OCTETS, `${statSync(tarball).size} octets`);
  const foreign =
    /^(?!(?:dist|man|docs|packaging)\/|(?:README|CHANGELOG|SECURITY)\.md$|LICENSE$|package\.json$|docker-compose)/;
  assert.deepEqual(
    paths.filter((path) => foreign.test(path) || /\.ts$|\.map$|benchmarks|upstream-password/.test(path)),
    [],
  );
  const compiled = globSync('**/*.ts', { cwd: shippedPath('src') });
  const copied = globSync('admin/status/page/*.{html,css,js,svg}', { cwd: shippedPath('src') });
  assert.deepEqual(
    paths.filter((path) => path.startsWith('dist/')).toSorted(),
    [...compiled.map((path) => path.replace(/\.ts$/, '.js')), ...copied]
      .map((path) => `dist/${path}`)
      .toSorted(),
  );
});

test('brings the packages whose licences are listed, and no others', () => {
  const found = globSync(['node_modules/*/package.json', 'node_modules/@*/*/package.json'], { cwd: home })
    .map((path) => dirname(path).replace('node_modules/', ''))
    .filter((name) => name !== 'sealpost');
  const listed = [...shippedText('docs/LICENCES.md').matchAll(/^\| `(.+)` \|/gm)].map(
    ([, name]) => name ?? '',
  );
  assert.deepEqual(found.toSorted(), [...new Set(listed)].toSorted());
});

test('has a manual page for each command that it installs', () => {
  for (const name of ['sealpost', 'sealpost-sendmail'])
    assert.match(
      readFileSync(join(home, 'node_modules/sealpost/man', `${name}.1`), 'utf8'),
      /^\.TH SEALPOST/,
    );
});

test('explains itself, and checks variables', async () => {
  assert.match((await installed('sealpost', ['--help'])).stdout, /^Usage: sealpost COMMAND/);
  const { stdout } = await installed('sealpost', ['config'], {
    SEALPOST_UPSTREAM: 'smtps://mail.example.test',
  });
  assert.match(stdout, /^SEALPOST_UPSTREAM=smtps:\/\/mail\.example\.test:465$/m);
  await assert.rejects(installed('sealpost', ['config']), {
    code: 78,
    stderr: /SEALPOST_UPSTREAM is required/,
  });
});

test('delivers what sealpost-sendmail hands to it, and has a status page', LIMIT, async () => {
  await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue() });
  const environment = {
    PATH,
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LISTEN: '127.0.0.1:0',
    SEALPOST_HOSTNAME: 'relay.example.test',
    SEALPOST_ADMIN_LISTEN: '127.0.0.1:0',
  };
  await using relay = new RelayProcess(
    spawn('sealpost', ['serve'], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  await relay.event('listener.started');
  const here = { SEALPOST_LISTEN: `127.0.0.1:${relay.port()}`, SEALPOST_HOSTNAME: 'host.example.test' };
  await installed('sealpost-sendmail', ['-f', 'a@x.test', 'b@y.test'], here, 'Subject: packed\n\nhello\n');
  await upstream.received(1);
  assert.match(upstream.messages[0]?.content.toString() ?? '', /^Subject: packed\r$/m);
  for (const path of ['/', '/status.js', '/uplot.js'])
    assert.equal((await askAdmin(relay, path)).status, 200, path);
});

async function npm(cwd: string, ...args: readonly string[]): Promise<{ readonly stdout: string }> {
  return run('npm', [...args], { cwd });
}

/** Runs what was installed, as a user of the machine would. */
async function installed(
  program: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  input = '',
): Promise<{ readonly stdout: string }> {
  const running = run(program, [...args], { cwd: directory, env: { PATH, ...variables } });
  running.child.stdin?.end(input);
  return running;
}
