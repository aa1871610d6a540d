import assert from 'node:assert/strict';
import { test } from 'node:test';

import { computed } from '../../../src/config/variable.ts';

const NAME = 'SEALPOST_STATE_DIR';
const homeless = computed(
  NAME,
  {
    shown: 'below the home directory',
    text: () => {
      throw new Error('this account has no home directory');
    },
  },
  { form: 'path', meaning: 'Where to keep things.' },
  (variable) => variable.asString(),
);

test('asks for a default only where it counts', () => {
  assert.equal(homeless.read({ [NAME]: '/var/lib/sealpost' }), '/var/lib/sealpost');
  assert.throws(() => homeless.read({}), /no home directory/);
});
