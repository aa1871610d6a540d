/**
 * How the claims of a process are kept, by a clock of the test's own.
 */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Claims } from '../../../src/spool/claims.ts';
import { spooled } from '../../support/spool-place.ts';

const CLAIM = { message: spooled('m', 1), token: 'token' };

test('renews a claim again soon after it could not, so that a short outage does not end it', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  let renewals = 0;
  let isAway = true;
  const claims = new Claims({
    renew: async (held) => {
      renewals += 1;
      if (isAway) throw new Error('away');
      return Promise.resolve(held.length);
    },
    settle: async () => Promise.resolve(true),
  });
  claims.take(CLAIM);
  claims.keep(async (renew) =>
    renew().then(
      () => true,
      () => false,
    ),
  );
  const passed = async (ms: number): Promise<number> => {
    mock.timers.tick(ms);
    await new Promise(setImmediate);
    return renewals;
  };
  assert.equal(await passed(10_000), 1);
  assert.equal(await passed(2_000), 2);
  isAway = false;
  assert.equal(await passed(2_000), 3);
  assert.equal(await passed(9_000), 3);
  assert.equal(await passed(1_000), 4);
  claims.letGo();
  assert.equal(await passed(60_000), 4);
  mock.timers.reset();
});
