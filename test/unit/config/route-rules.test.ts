/**
 * The text of SEALPOST_ROUTES: what it means, and that each fault is told by its line.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseRouteRules } from '../../../src/config/route-rules.ts';

function verdicts(text: string): readonly unknown[] {
  return parseRouteRules(text).map(({ verdict }) => verdict);
}

test('reads rules, one a line, with comments and empty lines between them', () => {
  const text =
    '# the plant\n\nclient=10.0.0.0/8 -> plant # all of it\r\n  from=@x.test\tto=*.y.test -> Default\n';
  assert.deepEqual(
    parseRouteRules(text).map(({ line, verdict }) => [line, verdict]),
    [
      [3, { name: 'PLANT' }],
      [4, { name: undefined }],
    ],
  );
});

test('reads every condition, with several values', () => {
  const [rule] = parseRouteRules('client=10.0.0.0/8,::1 user=alice,"b b" from=@x.test,<> to=a@y.test -> B2');
  assert.ok(
    rule?.clients?.has('10.9.9.9') === true && rule.clients.has('::1') && !rule.clients.has('11.0.0.1'),
  );
  assert.deepEqual(rule.users, ['alice', 'b b']);
  assert.deepEqual(rule.senders, [{ kind: 'domain', domain: 'x.test' }, { kind: 'nobody' }]);
  assert.deepEqual(rule.recipients, [{ kind: 'address', localPart: 'a', domain: 'y.test' }]);
});

test('reads a refusal with a sentence of its own, or with ours', () => {
  const [own, ours] = verdicts('from=<> -> refuse "Go # away."\n-> REFUSE');
  assert.deepEqual(own, { sentence: 'Go # away.' });
  assert.match(JSON.stringify(ours), /SEALPOST_ROUTES/);
});

for (const [fault, line] of [
  ['no arrow', 'from=@x.test'],
  ['nothing behind the arrow', 'from=@x.test ->'],
  ['two names', '-> A B'],
  ['a name with other characters', '-> a-b'],
  ['a name that is a word of the variables', '-> password'],
  ['an unknown condition', 'subject=x -> A'],
  ['a condition without a value', 'from= -> A'],
  ['an empty value among others', 'from=@x.test,,@y.test -> A'],
  ['a condition given twice', 'from=@x.test from=@y.test -> A'],
  ['a domain without its @', 'from=x.test -> A'],
  ['the null address as a recipient', 'to=<> -> A'],
  ['a network that is none', 'client=10.0.0.0/33 -> A'],
  ['a word that is no condition', 'everybody -> A'],
  ['a sentence without quotation marks', '-> refuse no'],
  ['a sentence beyond ASCII', '-> refuse "Nö."'],
  ['an open quotation mark', '-> refuse "No.'],
  ['a rule that is never reached', '-> A\n-> B'],
] as const) {
  test(`names the line of ${fault}`, () => {
    const at = 2 + line.split('\n').length;
    assert.throws(() => parseRouteRules(`\nfrom=@ok.test -> A\n${line}`), new RegExp(`^Error: line ${at}: `));
  });
}

test('names all lines that are wrong, and repeats none of them', () => {
  assert.throws(
    () => parseRouteRules('canary-1\nfrom=@ok.test -> A\ncanary-2=x -> A'),
    ({ message }: Error) => /line 1: .*; line 3: /.test(message) && !message.includes('canary'),
  );
});

test('asks for at least one rule', () => {
  assert.throws(() => parseRouteRules('# nothing\n'), /at least one rule/);
});
