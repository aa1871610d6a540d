/**
 * Whether a resolver is believed to validate.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Validation } from '../../../src/dns/resolver.ts';
import { a, response } from '../../support/dns-server.ts';
import { LIMIT, never, NOERROR, NXDOMAIN, REFUSED, SERVFAIL, stage } from './resolver-stage.ts';

const PROOFS: readonly (readonly [Validation, string, number, number])[] = [
  [{ state: 'proven' }, 'refuses the name and gives it unchecked', SERVFAIL, NOERROR],
  [{ state: 'not-validating' }, 'answers', NOERROR, NOERROR],
  [{ state: 'unproven' }, 'does not know the name', NXDOMAIN, NXDOMAIN],
  [{ state: 'unproven', fault: 'servfail' }, 'cannot find out, checked or not', SERVFAIL, SERVFAIL],
  [{ state: 'unproven' }, 'refuses the name and denies it unchecked', SERVFAIL, NXDOMAIN],
  [{ state: 'unproven', fault: 'refused' }, 'refuses the question', REFUSED, REFUSED],
  [{ state: 'unproven', fault: 'refused' }, 'refuses the question without checking', SERVFAIL, REFUSED],
];

for (const [validation, does, code, unchecked] of PROOFS) {
  test(`calls a resolver ${validation.state} that ${does}`, LIMIT, async () => {
    await using on = await stage((query) => [
      response(query, {
        code: query.isUnchecked ? unchecked : code,
        isSecure: true,
        answers: [a('bogus.test', '127.0.0.1')],
      }),
    ]);
    assert.deepEqual(await on.resolver.proveValidation('bogus.test', never()), validation);
    assert.deepEqual(await on.resolver.proveValidation('bogus.test', never()), validation);
    assert.equal(on.server.queries.length, code === SERVFAIL ? 4 : 2); // asked anew each time
  });
}

test('calls a resolver unproven that does not answer, and says why', LIMIT, async () => {
  await using on = await stage(() => []);
  const end = new AbortController();
  const validation = on.resolver.proveValidation('bogus.test', end.signal);
  await on.server.received(1);
  end.abort();
  assert.deepEqual(await validation, { state: 'unproven', fault: 'timeout' });
});
