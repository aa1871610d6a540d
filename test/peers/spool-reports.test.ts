/**
 * Reports on mail that was not delivered, as Postfix takes them and as Python reads them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import type { SpooledMessage } from '../../src/spool/spooled-message.ts';
import { authority } from '../support/pool-scene.ts';
import type { Peer } from '../support/peers/peer.ts';
import { startPostfix } from '../support/peers/postfix.ts';
import { readReport } from '../support/peers/report-reader.ts';
import { plainPath, spooled } from '../support/spool-place.ts';
import { SpoolScene, targetOf } from '../support/spool-scene.ts';

const LIMIT = { timeout: 60_000 };
let postfix: Peer;

before(async () => {
  postfix = await startPostfix(authority.issue({ san: 'DNS:localhost' }));
});
after(async () => {
  await postfix[Symbol.asyncDispose]();
});

/** Has Postfix refuse a message from b@y.test, and gives what arrives there. */
async function returned(changes: Partial<SpooledMessage>): Promise<Buffer> {
  const { user, password, submissionsPort: port } = postfix;
  const routes = [{ name: undefined, targets: [targetOf({ port }, { user, password })] }];
  await using scene = await SpoolScene.begin({}, { routes: () => routes });
  const [waiting] = spooled('x', 0).recipients;
  assert.ok(waiting !== undefined);
  const sender = plainPath('<b@y.test>');
  const recipients = [{ ...waiting, argument: plainPath('<nobody@y.test>') }];
  await scene.keep('one', { sender, recipients, ...changes });
  scene.runner.start();
  return await postfix.maildir.takeOnly();
}

test('are what programs that read reports expect, and have the whole message with them', LIMIT, async () => {
  const report = readReport(await returned({}));
  const expected = {
    defects: '[]',
    type: 'multipart/report',
    'report-type': 'delivery-status',
    parts:
      'multipart/report text/plain message/delivery-status text/plain text/plain message/rfc822 text/plain',
    'header Return-Path': '<>',
    'header Auto-Submitted': 'auto-replied',
    'header To': 'b@y.test',
    'status 0 Reporting-MTA': 'dns; relay.example.test',
    'status 1 Final-Recipient': 'rfc822; nobody@y.test',
    'status 1 Action': 'failed',
    'status 1 Status': '5.1.1',
    'returned subject': 'caf\u00e9',
    'returned text': 'Hello\n',
  };
  assert.deepEqual(
    Object.fromEntries(Object.keys(expected).map((name) => [name, report.get(name)])),
    expected,
  );
  assert.match(report.get('status 1 Diagnostic-Code') ?? '', /^smtp; 550 5\.1\.1 <nobody@y\.test>/);
  assert.match(report.get('text') ?? '', /could not be delivered[^]*<nobody@y\.test>/);
});

test('have the header alone where that was asked for', LIMIT, async () => {
  const ret = [{ keyword: 'RET', value: 'HDRS', text: 'RET=HDRS' }];
  const report = readReport(await returned({ sender: { ...plainPath('<b@y.test>'), parameters: ret } }));
  assert.equal(report.get('defects'), '[]');
  assert.match(report.get('parts') ?? '', / text\/rfc822-headers$/);
  assert.equal(report.get('returned subject'), 'caf\u00e9');
  assert.equal(report.get('returned text')?.trim(), '');
});
