/**
 * The parameters of MAIL and RCPT reach the upstream as the client wrote them.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { RelayTestBed, accepted, mailCommands } from '../support/relay-test-bed.ts';

const LIMIT = { timeout: 20_000 };
const bed = await RelayTestBed.start();
after(async () => bed.stop());

const CARRIED: readonly (readonly [mail: string, rcpt: string])[] = [
  ['MAIL FROM:<a@x.test> BODY=8BITMIME', 'RCPT TO:<b@y.test>'],
  ['MAIL FROM:<a@x.test> BODY=7BIT', 'RCPT TO:<b@y.test>'],
  ['MAIL FROM:<> BODY=8BITMIME', 'RCPT TO:<b@y.test>'],
  ['MAIL FROM:<a@x.test> SMTPUTF8', 'RCPT TO:<b@y.test>'],
  ['MAIL FROM:<ö@x.test> SMTPUTF8 BODY=8BITMIME', 'RCPT TO:<用户@例子.test>'],
  ['MAIL FROM:<a@xn--bcher-kva.example>', 'RCPT TO:<b@xn--mnchen-3ya.example>'],
  ['MAIL FROM:<a@x.test> RET=HDRS ENVID=QQ314159', 'RCPT TO:<b@y.test>'],
  ['MAIL FROM:<a@x.test> RET=FULL ENVID=a+2Bb+3Dc+20d', 'RCPT TO:<b@y.test> NOTIFY=SUCCESS,DELAY'],
  ['MAIL FROM:<a@x.test> RET=HDRS', 'RCPT TO:<b@y.test> NOTIFY=FAILURE ORCPT=rfc822;Bob+2Bnews@y.test'],
  ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test> NOTIFY=NEVER'],
  ['MAIL FROM:<a@x.test> AUTH=<>', 'RCPT TO:<b@y.test>'],
  ['MAIL FROM:<a@x.test> AUTH=e+3Dmc2@x.test', 'RCPT TO:<b@y.test>'],
  ['MAIL FROM:<"quoted blank"@x.test> BODY=7BIT', 'RCPT TO:<"b\\"c"@y.test> NOTIFY=NEVER'],
];

for (const [mail, rcpt] of CARRIED) {
  test(`carries as received: ${mail} / ${rcpt}`, LIMIT, async () => {
    const scene = bed.begin();
    using client = await bed.client();
    await accepted(client, 'EHLO client.test', mail, rcpt);
    const seen = mailCommands(scene).map((line) => Buffer.from(line, 'latin1').toString('utf8'));
    assert.deepEqual(seen, [mail, rcpt]);
  });
}

test('carries SIZE as received, or enlarged by what is put in front', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test> SIZE=1234', 'RCPT TO:<b@y.test>');
  const declared = Number(/ SIZE=(\d+)/.exec(mailCommands(scene)[0] ?? '')?.[1]);
  assert.ok(declared >= 1234 && declared < 1234 + 4096, `SIZE=${declared}`);
});

test('carries several parameters in lower case without a change of their values', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  const mail = 'mail from:<A@X.test> body=8bitmime ret=hdrs envid=AbC';
  await accepted(client, 'ehlo client.test', mail, 'rcpt to:<B@Y.test> notify=Never');
  assert.match(mailCommands(scene)[0] ?? '', /^MAIL FROM:<A@X\.test> body=8bitmime ret=hdrs envid=AbC$/i);
  assert.match(mailCommands(scene)[0] ?? '', /AbC/);
  assert.match(mailCommands(scene)[1] ?? '', /^RCPT TO:<B@Y\.test> notify=Never$/i);
});

test('forgets the parameters of a refused MAIL', LIMIT, async () => {
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO client.test');
  assert.equal((await client.command('MAIL FROM:<a@x.test> BODY=8BITMIME SMTPUTF8 FOO=BAR')).code, 555);
  await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  assert.deepEqual(mailCommands(scene), ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>']);
});
