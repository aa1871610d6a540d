/**
 * No more messages a minute than the provider allows.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { MESSAGE, scene, sendTo } from '../support/pool-scene.ts';
import type { RelayProcess } from '../support/relay-process.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const CAP = { SEALPOST_POOL_MESSAGES_PER_MINUTE: '2', SEALPOST_CONNECT_TIMEOUT: '5' };

async function replyTo(relay: RelayProcess): Promise<string> {
  using client = await SmtpDialog.open(relay.port());
  return (await client.send(MESSAGE)).raw;
}

test('tells who would have to wait too long for how long, and which cap it is', async () => {
  await using at = await scene({}, CAP);
  assert.equal(await sendTo(at.relay), 250);
  assert.equal(await sendTo(at.relay), 250);
  assert.match(
    await replyTo(at.relay),
    /^451 4\.4\.5 No more than 2 messages a minute .* in [3-6]\d seconds/,
  );
  assert.equal(at.upstream.messages.length, 2);
});

test('counts no client that sends nothing', async () => {
  await using at = await scene({}, CAP);
  for (let n = 0; n < 3; n += 1) {
    using client = await SmtpDialog.open(at.relay.port());
    for (const line of ['EHLO client', 'MAIL FROM:<a@x.test>', 'QUIT'])
      assert.ok((await client.command(line)).code < 300);
  }
  assert.equal(await sendTo(at.relay), 250);
});

test('keeps in the spool what has to wait for its turn', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sealpost-rate-'));
  try {
    await using at = await scene({}, { ...CAP, SEALPOST_SPOOL: `file:${directory}` });
    for (let n = 0; n < 2; n += 1) assert.equal(await sendTo(at.relay), 250);
    assert.match(await replyTo(at.relay), /^250 2\.0\.0 Kept in the spool /);
    assert.equal(at.upstream.messages.length, 2);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
