/**
 * Who waits for whom: messages in the spool do not wait for an upstream that is not theirs, nor clients for the spool.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RelayError } from '../../src/protocol/failure.ts';
import { identity } from '../support/pool-scene.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { pagesIn } from '../support/spool-place.ts';
import { SpoolScene, targetOf } from '../support/spool-scene.ts';

test('delivers to one upstream while any number of messages wait for another that says nothing', async () => {
  await using other = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using scene = await SpoolScene.begin({ greeting: '' });
  scene.routes.push({ name: 'other', targets: [targetOf(other)] });
  for (let number = 0; number < 15; number += 1) await scene.keep(`silent${number}`);
  scene.runner.start();
  while (scene.upstream.connections.length === 0) await scene.upstream.changed();
  await scene.keep('one', { route: 'other' });
  await scene.log.nth('spool.delivered');
  assert.equal(other.messages.length, 1);
  assert.deepEqual(scene.log.of('spool.delayed'), []);
});

test('delivers to one upstream while messages for another cannot be read', async () => {
  await using other = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using scene = await SpoolScene.begin();
  scene.routes.push({ name: 'other', targets: [targetOf(other)] });
  const { store } = scene.place;
  const claim = store.claim.bind(store);
  store.claim = async (order) => {
    if (order.route === undefined) throw new RelayError({ kind: 'spool', reason: 'unreadable one' });
    return claim(order);
  };
  await scene.keep('one');
  await scene.keep('another', { route: 'other' });
  scene.runner.start();
  await scene.log.nth('spool.delivered');
  assert.equal(other.messages.length, 1);
});

test('tries one message at a time where an upstream allows three connections', async () => {
  const [asked, verdict] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
  const waits = async (): Promise<string> => {
    asked.resolve();
    return verdict.promise;
  };
  await using scene = await SpoolScene.begin({ verdict: waits });
  scene.routes.splice(0, 1, {
    name: undefined,
    targets: [{ ...targetOf(scene.upstream), caps: { max: 3 } }],
  });
  for (const id of ['one', 'two', 'three']) await scene.keep(id);
  scene.runner.start();
  await asked.promise;
  const queued = (await pagesIn(scene.place.store)).flat();
  assert.equal(queued.filter(({ isClaimed }) => isClaimed).length, 1);
  verdict.resolve('250 2.0.0 Ok\r\n');
  await scene.log.nth('spool.delivered', 3);
});
