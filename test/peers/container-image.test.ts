/**
 * The image, built and run by a real Docker engine, alone and by the compose files that are shipped.
 *
 * The build fetches the locked npm packages; everything else stays on this machine.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { packageVersion } from '../../src/config/version.ts';
import { BASES, makeBases } from '../support/peers/container-bases.ts';
import { DockerEngine } from '../support/peers/docker-engine.ts';
import { WorkDirectory } from '../support/peers/peer.ts';
import { runSealpost } from '../support/relay-process.ts';
import { at, shippedText } from '../support/shipped-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IMAGE = 'sealpost-under-test';
const LIMIT = { timeout: 60_000 };
/** As whom the image runs. */
const UID = 1000;
const USER = 'relay@example.test';
const PASSWORD = 'canary-of-the-container';
const CONFINED = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--network=none'];

let engine: DockerEngine;
const directory = new WorkDirectory('image');

before(async () => {
  engine = await DockerEngine.start();
  await makeBases(engine);
  const bases = [`BUILD_IMAGE=${BASES.build}`, `RUNTIME_IMAGE=${BASES.runtime}`];
  const args = bases.flatMap((base) => ['--build-arg', base]);
  await engine.docker('build', '--quiet', '--network=host', ...args, '--tag', IMAGE, ROOT);
});

after(async () => {
  await engine[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

describe('alone', () => {
  before(async () => {
    const upstream = ['--env', 'SEALPOST_UPSTREAM=smtps://mail.example.test'];
    await engine.docker('run', '--detach', '--name', 'alone', ...CONFINED, ...upstream, IMAGE);
    await logged('alone', /listener\.started/);
  });

  test('runs as nobody in particular, with no capability and no way to gain one', LIMIT, async () => {
    const status = await inside('alone', `readFileSync('/proc/1/status', 'utf8')`);
    for (const kind of ['Uid', 'Gid']) assert.match(status, new RegExp(`^${kind}:(\\s+${UID}){4}$`, 'm'));
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'));
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.match(status, /^Seccomp:\s+2$/m);
  });

  test('writes nowhere but in its state directory, which nobody else can read', LIMIT, async () => {
    await assert.rejects(inside('alone', `writeFileSync('/app/x', '')`), /EROFS/);
    await inside('alone', `writeFileSync('/var/lib/sealpost/x', '')`);
    assert.equal(await inside('alone', `statSync('/var/lib/sealpost').mode & 0o7777`), String(0o700));
  });

  test('has neither a shell nor a package manager', LIMIT, async () => {
    for (const program of ['sh', 'bash', 'npm', 'apt-get'])
      await assert.rejects(engine.docker('exec', 'alone', program), { stdout: /executable file not found/ });
  });

  test('is not healthy where no hop can be secured, and says why', LIMIT, async () => {
    const health = engine.docker('exec', 'alone', 'node', '/app/dist/cli.js', 'health');
    await assert.rejects(health, { code: 1, stdout: /^not ready: / });
  });

  test('says what it is', LIMIT, async () => {
    const version = packageVersion();
    const label = '{{index .Config.Labels "org.opencontainers.image.version"}}';
    assert.equal(await engine.docker('inspect', '--format', label, IMAGE), version);
    assert.equal(await engine.docker('run', '--rm', ...CONFINED, IMAGE, 'version'), version);
  });

  test('brings a bill of its materials', LIMIT, async () => {
    const bill: unknown = JSON.parse(await inside('alone', `readFileSync('/app/sealpost.cdx.json', 'utf8')`));
    assert.equal(at(bill, 'bomFormat'), 'CycloneDX');
    const components = at(bill, 'components');
    assert.ok(Array.isArray(components));
    const found = components.map((component) => String(at(component, 'purl')));
    const listed = [...shippedText('docs/LICENCES.md').matchAll(/^\| `(.+)` \| (\S+) \|/gm)];
    const wanted = listed.map(([, name = '', version]) => `pkg:npm/${name.replace('@', '%40')}@${version}`);
    assert.deepEqual(found.toSorted(), wanted.toSorted());
  });

  test('adds no more than 25 MB to Node and its runtime', LIMIT, async () => {
    const own = (await sizeOf(IMAGE)) - (await sizeOf(BASES.runtime)) - statSync(process.execPath).size;
    assert.ok(own < 25e6, `${own} octets`);
  });
});

for (const { form, port } of [
  { form: 'docker-compose.yml', port: 'localhost:25' },
  { form: 'docker-compose.separate.yml', port: 'sealpost:2525' },
]) {
  test(`takes mail at ${port} as ${form} has it, is healthy, and ends cleanly`, LIMIT, async () => {
    const compose = await projectOf(form);
    await compose('up', '--detach', '--no-build');
    const relay = await compose('ps', '--quiet', 'sealpost');
    await logged(relay, /listener\.started/);

    const [app, upstream] = [
      await compose('ps', '--quiet', 'app'),
      await compose('ps', '--quiet', 'upstream'),
    ];
    const mail = ['--mail-from', 'a@x.test', '--mail-rcpt', 'b@y.test', '--upload-file', '/message.eml'];
    await engine.docker('exec', app, 'curl', '--silent', '--show-error', `smtp://${port}`, ...mail);
    await logged(upstream, /received over TLSv1\.3: <a@x\.test> to <b@y\.test>/);
    await healthy(relay);
    assert.equal(await engine.docker('exec', relay, 'node', '/app/dist/cli.js', 'health', 'live'), 'alive');

    const log = await engine.docker('logs', relay);
    assert.doesNotMatch(log + (await engine.docker('inspect', relay)), new RegExp(PASSWORD));
    await engine.docker('stop', relay);
    assert.equal(await engine.docker('inspect', '--format', '{{.State.ExitCode}}', relay), '0');
    assert.match(await engine.docker('logs', relay), /"event":"process\.stopped","forced":0}/);
    await compose('down', '--timeout', '0', '--volumes');
  });
}

type Compose = (...args: readonly string[]) => Promise<string>;

/**
 * A project of a compose file that is shipped, filled in as its comments say, with an upstream that listens on localhost of
 * the relay's network namespace.
 */
async function projectOf(form: string): Promise<Compose> {
  const beside = form === 'docker-compose.yml' ? 'app' : 'sealpost';
  const message = directory.file('message.eml', 'Subject: from a device\n\nhello\n');
  const password = directory.file('password.txt', `${PASSWORD}\n`, 0o400);
  const { state, authority } = await upstreamsState();
  chownSync(password, UID, UID);
  const login = ['--user', USER, '--password-file', '/run/secrets/upstream_password'];
  const filling = {
    services: {
      app: {
        ...(beside === 'app' ? { network_mode: 'none' } : {}),
        command: ['sleep', 'infinity'],
        volumes: [`${message}:/message.eml:ro`],
      },
      upstream: {
        image: IMAGE,
        network_mode: `service:${beside}`,
        command: ['sandbox', ...login],
        secrets: ['upstream_password'],
        volumes: [`${state}:/var/lib/sealpost`],
      },
      sealpost: {
        environment: { SEALPOST_TLS_CA_FILE: '/ca.pem' },
        volumes: [`${authority}:/ca.pem:ro`],
        healthcheck: { interval: '1s' },
      },
    },
  };
  const files = [
    '--file',
    join(ROOT, form),
    '--file',
    directory.file('filling.yml', JSON.stringify(filling)),
  ];
  const variables = {
    COMPOSE_PROJECT_NAME: `sealpost-${beside}`,
    APP_IMAGE: BASES.app,
    SEALPOST_IMAGE: IMAGE,
    SEALPOST_UPSTREAM: 'smtps://localhost:4465',
    SEALPOST_UPSTREAM_USER: USER,
    SEALPOST_PASSWORD_FILE: password,
  };
  return async (...args) => engine.compose([...files, ...args], variables);
}

/** The upstream's state directory, with an authority whose certificate the relay is to trust. */
async function upstreamsState(): Promise<{ readonly state: string; readonly authority: string }> {
  const state = directory.directory('upstream');
  chmodSync(state, 0o700);
  const exporting = runSealpost(['certificate', 'export', '--ca'], { SEALPOST_STATE_DIR: state });
  await once(exporting.child, 'close');
  execFileSync('chown', ['--recursive', `${UID}:${UID}`, state]);
  return { state, authority: directory.file('ca.pem', exporting.output) };
}

async function sizeOf(image: string): Promise<number> {
  return Number(await engine.docker('inspect', '--format', '{{.Size}}', image));
}

/** Evaluates an expression on node:fs in a container; it has no shell. */
async function inside(container: string, expression: string): Promise<string> {
  const script = `const { readFileSync, statSync, writeFileSync } = require('node:fs'); console.log(${expression})`;
  return engine.docker('exec', container, 'node', '--eval', script);
}

/** Resolves as soon as a container's log has such a line. */
async function logged(container: string, pattern: RegExp): Promise<void> {
  await told(['logs', '--follow', container], pattern);
}

/** Resolves as soon as the HEALTHCHECK has turned healthy, whenever that was. */
async function healthy(container: string): Promise<void> {
  const filters = ['--filter', `container=${container}`, '--filter', 'event=health_status'];
  await told(['events', '--since', '0', ...filters], /health_status: healthy/);
}

/** Runs a `docker …` that goes on until it has said what is waited for. */
async function told(args: readonly string[], pattern: RegExp): Promise<void> {
  const child = spawn('docker', [...args], { env: engine.environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  let output = '';
  const matched = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (pattern.test(output)) resolve();
      });
  });
  const isTold = await Promise.race([matched.then(() => true), ended.then(() => false)]);
  child.kill();
  assert.ok(isTold, `docker ${args.join(' ')} ended without ${String(pattern)}:\n${output}`);
}
