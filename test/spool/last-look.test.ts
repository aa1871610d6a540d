/**
 * What an attempt does that finds, at the end of a message, that it may not be its own any more.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { SpoolScene } from '../support/spool-scene.ts';

test('ends no message that another has taken meanwhile', async () => {
  await using scene = await SpoolScene.begin({
    answer: (line) => {
      if (line === 'DATA') lapseAll(scene);
      return undefined;
    },
  });
  scene.runner.start();
  await scene.keep('one');
  assert.partialDeepStrictEqual(await scene.log.nth('spool.overtaken'), { tid: 'one', delivered: 0 });
  assert.equal(scene.upstream.messages.length, 0);
});

test('ends no message while the spool cannot tell whose it is', async () => {
  await using scene = await SpoolScene.begin({
    answer: (line) => {
      if (line === 'DATA') takeAway(scene);
      return undefined;
    },
  });
  scene.runner.start();
  await scene.keep('one');
  await scene.log.nth('spool.unusable');
  assert.equal(scene.upstream.messages.length, 0);
});

/** Nothing can be asked from now on, as if the database were away. */
function takeAway({ place }: SpoolScene): void {
  using database = new DatabaseSync(join(place.directory, 'spool.sqlite'));
  database.exec('ALTER TABLE messages RENAME TO elsewhere');
}

/** Another has all messages from now on, as if this process had been stopped for long. */
function lapseAll({ place }: SpoolScene): void {
  using database = new DatabaseSync(join(place.directory, 'spool.sqlite'));
  database.exec(`UPDATE messages SET claim = 'of another'`);
}
