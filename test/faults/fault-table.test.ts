/**
 * A network that fails between the relay and the upstream, at every phase: docs/FAULTS.md is what happens.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';

import { faultDocument } from '../support/fault-document.ts';
import { MANNERS } from '../support/fault-phases.ts';
import { allCases, playAll, type Result } from '../support/fault-run.ts';

describe('a failing network', { timeout: 120_000 }, () => {
  let results: readonly Result[] = [];

  before(async () => {
    results = await playAll(allCases());
  });

  test('loses no message that was acknowledged, and delivers each of those once', () => {
    for (const { manner, phase, fault, reply, delivered, isSpooled } of results) {
      // What the upstream took and did not confirm is sent again by the spool, and by nobody else.
      const isUnconfirmed = isSpooled && phase === 'final';
      if (reply.code < 300)
        assert.equal(delivered, isUnconfirmed ? 2 : 1, `${manner.title}: ${fault} at ${phase}`);
    }
  });

  test('delivers no message that was refused for good, and none is refused for good', () => {
    for (const { manner, phase, fault, reply } of results)
      assert.ok(reply.code < 500, `${manner.title}: ${fault} at ${phase}: ${reply.raw}`);
  });

  test('is told to the client as it is when the upstream may have a message that it did not confirm', () => {
    const unconfirmed = results.filter(({ reply, delivered }) => reply.code !== 250 && delivered > 0);
    assert.ok(unconfirmed.length > 0);
    for (const { reply, phase, fault } of unconfirmed)
      assert.match(reply.raw, /may have been delivered/, `${fault} at ${phase}`);
  });

  for (const manner of MANNERS) {
    test(`gives the client the replies that docs/FAULTS.md tells: ${manner.title}`, () => {
      const written = readFileSync(new URL('../../docs/FAULTS.md', import.meta.url), 'utf8');
      assert.deepEqual(sectionOf(faultDocument(results), manner.title), sectionOf(written, manner.title));
    });
  }
});

function sectionOf(document: string, title: string): readonly string[] {
  const section = document.split('\n## ').find((one) => one.startsWith(title));
  assert.ok(section !== undefined, `no section ${title}: run scripts/faults`);
  return section.trim().split('\n');
}
