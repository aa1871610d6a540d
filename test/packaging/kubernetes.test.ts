/**
 * The manifests for Kubernetes, against the types of its API: each is compiled as the object that it is to be, so that a
 * key that does not exist is a mistake of the compiler.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';

import { at, shippedYaml } from '../support/shipped-files.ts';

const run = promisify(execFile);
const resolve = createRequire(import.meta.url).resolve;
const types = dirname(resolve('kubernetes-types/package.json'));
const compiler = join(dirname(resolve('typescript/package.json')), 'bin/tsc');

const deployment = shippedYaml('packaging/kubernetes/deployment.yaml');
const kustomization = shippedYaml('packaging/kubernetes/kustomization.yaml');
const pod = at(deployment, 'spec', 'template', 'spec');
const sidecar = at(pod, 'initContainers', 0);

const directory = mkdtempSync(join(tmpdir(), 'sealpost-kubernetes-'));
after(() => rmSync(directory, { recursive: true }));

test('the deployment is one by the types of the API', async () => {
  await compileAsDeployment(deployment);
});

test('tells a manifest that is not valid', async () => {
  const wrong = structuredClone(deployment);
  Object.assign(Object(at(wrong, 'spec', 'template', 'spec', 'initContainers', 0)), { restart: 'Always' });
  await assert.rejects(compileAsDeployment(wrong), { stdout: /'"restart"' does not exist/ });
});

test('the relay is a sidecar, which starts before the program and ends after it', () => {
  assert.equal(at(sidecar, 'restartPolicy'), 'Always');
  assert.notEqual(at(sidecar, 'startupProbe'), undefined);
});

test('an upstream that is down starts nothing again', () => {
  for (const probe of ['startupProbe', 'livenessProbe'])
    assert.deepEqual(at(sidecar, probe, 'exec', 'command'), ['node', '/app/dist/cli.js', 'health', 'live']);
  assert.equal(at(sidecar, 'readinessProbe'), undefined);
});

test('no Service can set a variable of the relay', () => {
  assert.equal(at(pod, 'enableServiceLinks'), false);
});

test('the relay is confined', () => {
  assert.deepEqual(at(sidecar, 'securityContext'), {
    runAsNonRoot: true,
    runAsUser: 1000,
    runAsGroup: 1000,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  });
  assert.deepEqual(at(pod, 'securityContext', 'seccompProfile'), { type: 'RuntimeDefault' });
  assert.equal(at(pod, 'automountServiceAccountToken'), false);
});

test('what the deployment refers to is made by the kustomization', () => {
  assert.deepEqual(at(kustomization, 'resources'), ['deployment.yaml']);
  const configMap = at(sidecar, 'envFrom', 0, 'configMapRef', 'name');
  assert.equal(at(kustomization, 'configMapGenerator', 0, 'name'), configMap);
  const secret = at(pod, 'volumes', 0, 'secret', 'secretName');
  assert.equal(at(kustomization, 'secretGenerator', 0, 'name'), secret);
  assert.equal(at(kustomization, 'images', 0, 'name'), at(sidecar, 'image'));
  assert.equal(at(sidecar, 'volumeMounts', 0, 'name'), at(pod, 'volumes', 0, 'name'));
});

/** @throws with what the compiler says */
async function compileAsDeployment(value: unknown): Promise<void> {
  const file = join(directory, 'manifest.ts');
  writeFileSync(
    file,
    `import type { Deployment } from ${JSON.stringify(join(types, 'apps/v1.d.ts'))};\n` +
      `export const manifest: Deployment = ${JSON.stringify(value)};\n`,
  );
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
  ];
  await run(process.execPath, [compiler, '--ignoreConfig', ...options, '--allowImportingTsExtensions', file]);
}
