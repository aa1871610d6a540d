/**
 * What becomes of messages in the spool: delivered, tried again, returned; before an upstream that does as the test says.
 */
import assert from 'node:assert/strict';
import { truncateSync, unlinkSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import type { Parameter, PathArgument } from '../../src/protocol/path.ts';
import type { SpooledRecipient } from '../../src/spool/spooled-message.ts';
import { identity } from '../support/pool-scene.ts';
import { CLOSE, GOOD_KEYWORDS, ScriptedUpstream, type Message } from '../support/scripted-upstream.ts';
import { contentOf, plainPath } from '../support/spool-place.ts';
import { CONTENT, SpoolScene, targetOf } from '../support/spool-scene.ts';

function recipient(path: string, ...parameters: readonly string[]): SpooledRecipient {
  const lastWord = { reply: { code: 451, lines: ['4.4.1 Not reached.'] }, isUpstreams: false };
  return { argument: withParameters(path, parameters), state: 'waiting', lastWord, mayHaveIt: false };
}

function withParameters(path: string, texts: readonly string[]): PathArgument {
  const parameters = texts.map((text): Parameter => {
    const [keyword = '', value] = text.split('=');
    return { keyword, value, text };
  });
  return { path, parameters, isInternational: false };
}

/** The report among what came, as text. */
function reportIn(messages: readonly Message[]): string {
  const report = messages.find(({ mail }) => mail.startsWith('MAIL FROM:<>'));
  return report?.content.toString() ?? '';
}

test('delivers content as it was kept, and then forgets the message', async () => {
  await using scene = await SpoolScene.begin();
  scene.runner.start();
  await scene.keep('one');
  await scene.log.nth('spool.delivered');
  assert.equal(scene.upstream.messages[0]?.content.toString(), CONTENT);
  assert.deepEqual((await scene.place.store.measure()).messages, 0);
});

test('delivers to each recipient once, whatever the others are told', async () => {
  const refusals = new Map([
    ['<late@y.test>', '451 4.2.1 Later\r\n'],
    ['<never@y.test>', '550 5.1.1 Nobody\r\n'],
  ]);
  await using scene = await SpoolScene.begin({ answer: (line) => refusals.get(line.split(':')[1] ?? '') });
  scene.runner.start();
  await scene.keep('one', {
    recipients: [recipient('<now@y.test>'), recipient('<late@y.test>'), recipient('<never@y.test>')],
  });
  await scene.log.nth('spool.bounced');
  refusals.clear();
  await scene.hurry();
  await scene.upstream.received(3);
  const to = scene.upstream.messages.map(({ rcpts }) => rcpts.join(' '));
  assert.deepEqual(to.toSorted(), ['RCPT TO:<a@x.test>', 'RCPT TO:<late@y.test>', 'RCPT TO:<now@y.test>']);
  assert.match(
    reportIn(scene.upstream.messages),
    /Final-Recipient: rfc822; never@y\.test\r\nAction: failed\r\nStatus: 5\.1\.1/,
  );
});

test('tries again after a lost verdict, and says that it may arrive twice', async () => {
  let verdicts = 0;
  await using scene = await SpoolScene.begin({
    verdict: () => ((verdicts += 1) === 1 ? CLOSE : '250 2.0.0 Ok\r\n'),
  });
  scene.runner.start();
  await scene.keep('one');
  await scene.log.nth('spool.unknown');
  await scene.log.nth('spool.delayed');
  const found = await scene.place.store.get('one');
  assert.equal(found?.message.recipients[0]?.mayHaveIt, true);
  await scene.hurry();
  await scene.log.nth('spool.delivered');
  assert.equal(verdicts, 2);
});

test('returns a message whose time is over to its sender', async () => {
  await using scene = await SpoolScene.begin({
    answer: (line) => (line.includes('<b@y.test>') ? '451 4.2.1 Later\r\n' : undefined),
  });
  scene.runner.start();
  await scene.keep('one', { expiresAt: Date.now() });
  await scene.upstream.received(1);
  const report = reportIn(scene.upstream.messages);
  assert.match(report, /Action: failed\r\nStatus: 4\.4\.7\r\nDiagnostic-Code: smtp; 451 4\.2\.1 Later/);
  assert.match(report, /Subject: café/);
});

test('makes no report on a report, nor for a message from nobody, nor where none is wanted', async () => {
  await using scene = await SpoolScene.begin({
    answer: (line) => (line.startsWith('RCPT') ? '550 No\r\n' : undefined),
  });
  scene.runner.start();
  await scene.keep('report', { kind: 'bounce' });
  await scene.keep('nobodys', { sender: plainPath('<>') });
  await scene.keep('unwanted', { recipients: [recipient('<b@y.test>', 'NOTIFY=NEVER')] });
  await scene.log.nth('spool.dropped', 3);
  assert.deepEqual(scene.log.of('spool.bounced'), []);
  assert.equal((await scene.place.store.measure()).messages, 0);
});

test('drops a report that is refused itself: that is the end of it', async () => {
  await using scene = await SpoolScene.begin({
    answer: (line) => (line.startsWith('RCPT') ? '550 No\r\n' : undefined),
  });
  scene.runner.start();
  await scene.keep('one');
  const dropped = await scene.log.nth('spool.dropped');
  assert.partialDeepStrictEqual(dropped, { kind: 'bounce', recipients: 1 });
  assert.equal(scene.log.of('spool.bounced').length, 1);
  assert.equal((await scene.place.store.measure()).messages, 0);
});

test('reports that it passed a message on where the upstream would not report itself', async () => {
  const withoutDsn = GOOD_KEYWORDS.filter((word) => word !== 'DSN');
  await using scene = await SpoolScene.begin({ keywords: withoutDsn });
  scene.runner.start();
  await scene.keep('one', {
    sender: withParameters('<a@x.test>', ['ENVID=env+2B1', 'RET=HDRS']),
    recipients: [recipient('<b@y.test>', 'NOTIFY=SUCCESS', 'ORCPT=rfc822;c@y.test')],
  });
  await scene.upstream.received(2);
  assert.equal(scene.upstream.messages[0]?.rcpts[0], 'RCPT TO:<b@y.test>');
  const report = reportIn(scene.upstream.messages);
  assert.match(report, /Original-Envelope-Id: env\+1\r\n/);
  assert.match(report, /Original-Recipient: rfc822; c@y\.test\r\n[^]*Action: relayed\r\nStatus: 2\./);
  assert.doesNotMatch(report, /Hello/);
});

test('leaves reports to an upstream that makes them', async () => {
  await using scene = await SpoolScene.begin();
  scene.runner.start();
  await scene.keep('one', { recipients: [recipient('<b@y.test>', 'NOTIFY=SUCCESS')] });
  await scene.log.nth('spool.delivered');
  assert.equal(scene.upstream.messages[0]?.rcpts[0], 'RCPT TO:<b@y.test> NOTIFY=SUCCESS');
  assert.deepEqual(scene.log.of('spool.bounced'), []);
});

test('tells of a delay once, after four hours, and only who asked', async () => {
  await using scene = await SpoolScene.begin({
    answer: (line) => (/RCPT TO:<[bc]@/.test(line) ? '451 4.2.1 Later\r\n' : undefined),
  });
  scene.runner.start();
  await scene.keep('one', {
    arrivedAt: Date.now() - 4 * 3_600_000,
    recipients: [recipient('<b@y.test>', 'NOTIFY=DELAY'), recipient('<c@y.test>')],
  });
  await scene.upstream.received(1);
  const report = reportIn(scene.upstream.messages);
  assert.match(report, /b@y\.test\r\nAction: delayed\r\nStatus: 4\.2\.1[^]*Will-Retry-Until: /);
  assert.doesNotMatch(report, /c@y\.test/);
  await scene.hurry();
  await scene.log.nth('spool.delayed', 2);
  assert.equal(scene.log.of('spool.bounced').length, 1);
});

test('returns the header alone of what was to go with REQUIRETLS, and with REQUIRETLS', async () => {
  await using scene = await SpoolScene.begin({
    keywords: [...GOOD_KEYWORDS, 'REQUIRETLS'],
    answer: (line) => (line.includes('<b@y.test>') ? '550 5.1.1 Nobody\r\n' : undefined),
  });
  scene.runner.start();
  await scene.keep('one', { sender: withParameters('<a@x.test>', ['REQUIRETLS', 'RET=FULL']) });
  await scene.upstream.received(1);
  assert.equal(scene.upstream.messages[0]?.mail, 'MAIL FROM:<> REQUIRETLS');
  assert.match(reportIn(scene.upstream.messages), /text\/rfc822-headers/);
  assert.doesNotMatch(reportIn(scene.upstream.messages), /Hello/);
});

test('returns what an upstream that takes 7 bits alone can take, of a message with more', async () => {
  await using scene = await SpoolScene.begin({
    keywords: GOOD_KEYWORDS.filter((word) => word !== '8BITMIME'),
  });
  scene.runner.start();
  const declared = { sender: withParameters('<a@x.test>', ['BODY=8BITMIME']) };
  await scene.keep('body', declared, 'Subject: x\r\n\r\ncaf\u00e9\r\n');
  await scene.upstream.received(1);
  assert.match(
    reportIn(scene.upstream.messages),
    /Status: 5\.6\.3[^]*text\/rfc822-headers\r\n\r\nSubject: x/,
  );
  await scene.keep('header', declared, 'Subject: caf\u00e9\r\n\r\ncaf\u00e9\r\n');
  await scene.upstream.received(2);
  const second = scene.upstream.messages[1]?.content.toString() ?? '';
  assert.match(second, /Status: 5\.6\.3/);
  assert.doesNotMatch(second, /rfc822-headers|Subject: caf/);
});

test('asks an upstream that gives no hop for a few messages, and goes on with all when it is back', async () => {
  await using scene = await SpoolScene.begin({ greeting: '421 4.3.2 Not now\r\n' });
  for (let count = 0; count < 12; count += 1) await scene.keep(`m${count}`);
  scene.runner.start();
  await scene.log.nth('spool.delayed', 10);
  await scene.hurry('m11');
  await scene.log.nth('spool.delayed', 11); // whoever asks for it is not made to wait, nor are the others
  scene.upstream.play({ mode: 'implicit', identity });
  await scene.hurry('m11');
  await scene.log.nth('spool.delivered', 12);
  assert.equal(scene.log.of('spool.delayed').length, 11);
});

test('leaves the content of a message that waits as it is', async () => {
  await using scene = await SpoolScene.begin({ verdict: () => '451 4.3.0 Later\r\n' });
  scene.runner.start();
  await scene.keep('one');
  await scene.log.nth('spool.delayed');
  assert.equal((await contentOf(scene.place, 'one')).toString(), CONTENT);
});

for (const [reason, damage] of [
  ['incomplete', truncateSync],
  ['ENOENT', unlinkSync],
] as const)
  test(`ends no message whose content is not whole, and says so (${reason})`, async () => {
    await using scene = await SpoolScene.begin();
    await scene.keep('one');
    damage(join(scene.place.directory, 'content', 'one'));
    scene.runner.start();
    const { reply } = { reply: '', ...(await scene.log.nth('spool.delayed')) };
    assert.match(reply, new RegExp(`not whole any more \\(${reason}\\).*sealpost queue remove`));
    assert.equal(scene.upstream.messages.length, 0);
  });

test('waits with a message for an upstream that is not known any more, and goes on when it is', async () => {
  await using scene = await SpoolScene.begin();
  const [known] = scene.routes;
  assert.ok(known !== undefined);
  scene.runner.start();
  const { nextAttemptAt } = await scene.keep('one', { route: 'gone' });
  assert.deepEqual(await scene.log.nth('spool.stranded'), { tid: 'one', route: 'gone' });
  await scene.runner.stop();
  const found = await scene.place.store.get('one');
  assert.partialDeepStrictEqual(found, { isClaimed: false, message: { attempts: 0, nextAttemptAt } });
  assert.match(found?.message.recipients[0]?.lastWord.reply.lines[0] ?? '', /No variable names the upstream/);
  scene.routes.push({ ...known, name: 'gone' });
  scene.restart();
  await scene.log.nth('spool.delivered');
  assert.deepEqual(scene.log.of('internal.error'), []);
});

test('goes on when the disk or the database fails under it', async () => {
  await using scene = await SpoolScene.begin();
  await rm(join(scene.place.directory, 'content'), { recursive: true });
  scene.runner.start();
  assert.deepEqual(await scene.log.nth('spool.unusable'), { reason: 'ENOENT' });
  using database = new DatabaseSync(join(scene.place.directory, 'spool.sqlite'));
  database.exec('ALTER TABLE messages RENAME TO elsewhere');
  scene.runner.wake();
  assert.deepEqual(await scene.log.nth('spool.unusable', 2), { reason: 'SQLITE-1' });
  database.exec('ALTER TABLE elsewhere RENAME TO messages');
  await mkdir(join(scene.place.directory, 'content'));
  await scene.keep('one');
  await scene.log.nth('spool.delivered');
});

test('gets round to every recipient where an upstream takes one at a time and puts the first off', async () => {
  await using scene = await SpoolScene.begin({
    keywords: [...GOOD_KEYWORDS, 'LIMITS RCPTMAX=1'],
    answer: (line) => (line === 'RCPT TO:<late@y.test>' ? '450 4.2.1 Later\r\n' : undefined),
  });
  scene.runner.start();
  await scene.keep('one', {
    recipients: [recipient('<late@y.test>'), recipient('<b@y.test>'), recipient('<c@y.test>')],
  });
  await scene.log.nth('spool.delayed');
  assert.equal(scene.upstream.messages.length, 0);
  await scene.hurry();
  await scene.upstream.received(2); // the third goes at once behind the second
});

test('sends on at once to those beyond what the upstream takes in one message', async () => {
  let taken = 0;
  await using scene = await SpoolScene.begin({
    answer: (line) => {
      if (line.startsWith('MAIL')) taken = 0;
      if (!line.startsWith('RCPT')) return undefined;
      taken += 1;
      return taken > 2 ? '452 4.5.3 Too many\r\n' : undefined;
    },
  });
  scene.runner.start();
  await scene.keep('one', {
    recipients: ['<b@y>', '<c@y>', '<d@y>', '<e@y>', '<f@y>'].map((one) => recipient(one)),
  });
  await scene.log.nth('spool.delivered', 3);
});

test('goes to the next upstream when the first puts it off', async () => {
  await using other = await ScriptedUpstream.start({ mode: 'implicit', identity });
  await using scene = await SpoolScene.begin({
    answer: (line) => (line.startsWith('MAIL') ? '451 4.3.0 Later\r\n' : undefined),
  });
  const [first] = scene.routes;
  assert.ok(first !== undefined);
  scene.routes.splice(0, 1, { ...first, targets: [...first.targets, targetOf(other)] });
  scene.runner.start();
  await scene.keep('one');
  await scene.log.nth('spool.delivered');
  assert.equal(other.messages.length, 1);
});

test('lets go of messages that it had not begun with when it stops', async () => {
  await using scene = await SpoolScene.begin({ greeting: '' });
  scene.runner.start();
  await scene.keep('one');
  while (scene.upstream.connections.length === 0) await scene.upstream.changed();
  await scene.runner.stop();
  const found = await scene.place.store.get('one');
  assert.equal(found?.isClaimed, false);
  assert.equal(found?.message.attempts, 0);
});
