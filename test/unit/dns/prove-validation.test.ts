/**
 * Whether a resolver is believed to validate.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { a, response } from '../../support/dns-server.ts';
import { LIMIT, never, NOERROR, NXDOMAIN, REFUSED, SERVFAIL, stage } from './resolver-stage.ts';

const PROOFS: readonly (readonly ['proven' | 'not-validating' | 'unproven', string, number, number])[] = [
  ['proven', 'refuses the name and gives it unchecked', SERVFAIL, NOERROR],
  ['not-validating', 'answers', NOERROR, NOERROR],
  ['unproven', 'does not know the name', NXDOMAIN, NXDOMAIN],
  ['unproven', 'cannot find out, checked or not', SERVFAIL, SERVFAIL],
  ['unproven', 'refuses the name and denies it unchecked', SERVFAIL, NXDOMAIN],
  ['unproven', 'refuses the question', REFUSED, REFUSED],
];

for (const [verdict, does, code, unchecked] of PROOFS) {
  test(`calls a resolver ${verdict} that ${does}`, LIMIT, async () => {
    await using on = await stage((query) => [
      response(query, {
        code: query.isUnchecked ? unchecked : code,
        isSecure: true,
        answers: [a('bogus.test', '127.0.0.1')],
      }),
    ]);
    assert.equal(await on.resolver.proveValidation('bogus.test', never()), verdict);
    assert.equal(await on.resolver.proveValidation('bogus.test', never()), verdict);
    assert.equal(on.server.queries.length, code === SERVFAIL ? 4 : 2); // asked anew each time
  });
}

test('calls a resolver unproven that does not answer', LIMIT, async () => {
  await using on = await stage(() => []);
  const end = new AbortController();
  const verdict = on.resolver.proveValidation('bogus.test', end.signal);
  await on.server.received(1);
  end.abort();
  assert.equal(await verdict, 'unproven');
});
