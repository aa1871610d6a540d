/**
 * Which upstream a message goes to: the first rule that matches, for all recipients at once where that can be told.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { addressPattern, isBare, isSameAddress, matchesAny } from '../../../src/relay/address-pattern.ts';
import { Networks } from '../../../src/relay/networks.ts';
import { RouteTable, type Route, type RouteRule, type Verdict } from '../../../src/relay/routes.ts';

const [A, B, MAIN]: readonly [Route, Route, Route] = [
  { name: 'A', targets: [] },
  { name: 'B', targets: [] },
  { name: undefined, targets: [] },
];
const NO = { sentence: 'No.' };
const ORIGIN = { client: '10.1.2.3', user: 'alice', sender: 'a@x.test' };

function patterns(...texts: readonly string[]) {
  return texts.map((text) => {
    const pattern = addressPattern(text);
    if (pattern === undefined) throw new Error(`${text} is no pattern`);
    return pattern;
  });
}

function verdictOn(rules: readonly RouteRule<Verdict>[], origin = ORIGIN, recipient = 'b@y.test'): Verdict {
  return new RouteTable(MAIN, rules).forMessage(origin).forRecipient(recipient);
}

for (const [pattern, matching, others] of [
  ['a@x.test', ['a@x.test', 'A@X.TEST', '"a"@x.test', 'a@x.test.'], ['b@x.test', 'a@sub.x.test', 'a', '']],
  ['"ann"@x.test', ['ann@x.test', '"ANN"@x.test'], ['"ann "@x.test']],
  ['"a b@c"@x.test', ['"a b@c"@x.test', '"A b\\@c"@x.test'], ['a b@c@y.test', 'c@x.test']],
  ['root@', ['root', 'Root@x.test', 'root@y.test'], ['a@root', 'toor', '']],
  ['@x.test', ['a@x.test', 'b@X.test', '"a@b"@x.test'], ['a@sub.x.test', 'a@xx.test', 'x.test', '']],
  ['*.x.test', ['a@sub.x.test', 'a@a.b.x.test'], ['a@x.test', 'a@xx.test', 'sub.x.test']],
  ['@*.x.test', ['a@sub.x.test'], ['a@x.test']],
  ['@bücher.test', ['a@xn--bcher-kva.test', 'a@BÜCHER.test'], ['a@bucher.test']],
  ['<>', [''], ['a@x.test']],
] as const) {
  test(`matches ${pattern} with what it means and nothing else`, () => {
    for (const address of matching) assert.ok(matchesAny(address, patterns(pattern)), address);
    for (const address of others) assert.ok(!matchesAny(address, patterns(pattern)), address);
  });
}

test('takes nothing else for a pattern', () => {
  for (const text of [
    '',
    '@',
    'x.test',
    '*',
    '*.',
    '*@x.test',
    'a@*.x.test',
    'a b@x.test',
    '"a@x.test',
    '""@x.test',
    '<a@x.test>',
  ])
    assert.equal(addressPattern(text), undefined, text);
});

test('knows a bare local part and the same address', () => {
  assert.ok(isBare('root') && isBare('"a@b"') && !isBare('a@x.test') && !isBare(''));
  assert.ok(isSameAddress('A@X.test', 'a@x.TEST') && !isSameAddress('a@x.test', 'a@y.test'));
});

test('gives the default where no rule matches', () => {
  assert.equal(verdictOn([]), MAIN);
  assert.equal(verdictOn([{ senders: patterns('@z.test'), verdict: A }]), MAIN);
});

test('lets the first rule that matches decide', () => {
  const rules = [
    { senders: patterns('@z.test'), verdict: MAIN },
    { senders: patterns('@x.test'), verdict: A },
    { verdict: B },
  ];
  assert.equal(verdictOn(rules), A);
});

test('asks for all conditions of a rule', () => {
  const clients = new Networks(['10.0.0.0/8']);
  const conditions = {
    clients,
    users: ['alice'],
    senders: patterns('@x.test'),
    recipients: patterns('@y.test'),
  };
  const rules = [{ ...conditions, verdict: A }];
  assert.equal(verdictOn(rules), A);
  assert.equal(verdictOn(rules, { ...ORIGIN, client: '192.0.2.1' }), MAIN);
  assert.equal(verdictOn(rules, { ...ORIGIN, user: 'bob' }), MAIN);
  assert.equal(verdictOn(rules, { ...ORIGIN, sender: 'a@z.test' }), MAIN);
  assert.equal(verdictOn(rules, ORIGIN, 'b@z.test'), MAIN);
});

test('finds an IPv4 client in its IPv6 form too', () => {
  const rules = [{ clients: new Networks(['10.0.0.0/8']), verdict: A }];
  assert.equal(verdictOn(rules, { ...ORIGIN, client: '::ffff:10.1.2.3' }), A);
});

test('takes * for any user, and for none that has not logged in', () => {
  const rules = [{ users: ['*'], verdict: A }];
  assert.equal(verdictOn(rules), A);
  assert.equal(new RouteTable(MAIN, rules).forMessage({ ...ORIGIN, user: undefined }).common, MAIN);
});

function common(...rules: readonly RouteRule<Verdict>[]): Verdict | undefined {
  return new RouteTable(MAIN, rules).forMessage(ORIGIN).common;
}

test('knows the route at MAIL when no recipient can change it', () => {
  const recipients = patterns('@y.test');
  assert.equal(common(), MAIN);
  assert.equal(common({ senders: patterns('@x.test'), verdict: A }, { recipients, verdict: B }), A);
  assert.equal(common({ recipients, verdict: MAIN }), MAIN);
  assert.equal(common({ recipients, verdict: A }, { verdict: A }), A);
});

test('knows that recipients decide when they can', () => {
  const recipients = patterns('@y.test');
  assert.equal(common({ recipients, verdict: A }), undefined);
  assert.equal(common({ senders: patterns('@z.test'), verdict: B }, { recipients, verdict: A }), undefined);
});

test('knows the route at MAIL also when some recipients are refused', () => {
  const recipients = patterns('@y.test');
  assert.equal(common({ recipients, verdict: NO }), MAIN);
  assert.equal(verdictOn([{ recipients, verdict: NO }]), NO);
});

test('refuses at MAIL when all recipients would be refused', () => {
  assert.equal(common({ senders: patterns('@x.test'), verdict: NO }), NO);
});
