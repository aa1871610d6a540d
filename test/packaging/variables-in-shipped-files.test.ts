/**
 * The variables in the files for those who deploy are taken by the relay as they stand.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { runSealpost } from '../support/relay-process.ts';
import { at, shippedText, shippedYaml } from '../support/shipped-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-shipped-'));
after(() => rmSync(directory, { recursive: true }));
const password = join(directory, 'password.txt');
writeFileSync(password, 'a password\n');

for (const form of ['docker-compose.yml', 'docker-compose.separate.yml']) {
  test(`takes the variables of ${form}`, async () => {
    const variables = Object.entries(Object(at(shippedYaml(form), 'services', 'sealpost', 'environment')));
    await assertTaken(
      variables.map(([name, value]) => [name, String(value).replace(/^\$\{\w+:-(.*)\}$/, '$1')]),
    );
  });
}

test('takes the variables of the manifests for Kubernetes', async () => {
  const sidecar = at(
    shippedYaml('packaging/kubernetes/deployment.yaml'),
    'spec',
    'template',
    'spec',
    'initContainers',
    0,
  );
  const literals = at(
    shippedYaml('packaging/kubernetes/kustomization.yaml'),
    'configMapGenerator',
    0,
    'literals',
  );
  assert.ok(Array.isArray(literals));
  const env = at(sidecar, 'env');
  assert.ok(Array.isArray(env));
  await assertTaken([
    ...assignments(literals.join('\n')),
    ...env.map((one): [string, string] => [String(at(one, 'name')), String(at(one, 'value'))]),
  ]);
});

test('takes the variables of the environment file for systemd, those of its comments too', async () => {
  await assertTaken(
    assignments(shippedText('packaging/systemd/sealpost.env').replaceAll(/^#(?=SEALPOST_)/gm, '')),
  );
});

function assignments(text: string): [string, string][] {
  return [...text.matchAll(/^(SEALPOST_\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]);
}

async function assertTaken(variables: readonly (readonly [string, string])[]): Promise<void> {
  assert.ok(variables.length > 3);
  const environment = Object.fromEntries(
    variables.map(([name, value]) => [name, name.endsWith('_FILE') ? password : value]),
  );
  const config = runSealpost(['config'], environment);
  await once(config.child, 'close');
  assert.equal(config.child.exitCode, 0, config.output);
}
