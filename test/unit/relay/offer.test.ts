/**
 * Clients are offered what every upstream that their mail may go to can take.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Capabilities } from '../../../src/protocol/capabilities.ts';
import { addressPattern } from '../../../src/relay/address-pattern.ts';
import { Networks } from '../../../src/relay/networks.ts';
import { offeredKeywords, type KnownOffer } from '../../../src/relay/offer.ts';
import { RouteTable, type Route, type RouteRule, type Verdict } from '../../../src/relay/routes.ts';

const MAX = 5_000;

function known(...lines: readonly string[]): Capabilities {
  return Capabilities.of({ code: 250, lines: ['upstream.test', ...lines] });
}

for (const [name, offers, expected] of [
  ['one upstream offers', [known('SIZE 900', 'DSN', 'XYZZY', '8BITMIME')], ['SIZE 900', '8BITMIME', 'DSN']],
  ['all of several offer', [known('DSN', 'SMTPUTF8'), known('smtputf8')], ['SIZE 5000', 'SMTPUTF8']],
  [
    'any server offers, of one not known yet',
    [known('8BITMIME', 'DSN'), undefined],
    ['SIZE 5000', '8BITMIME'],
  ],
  ['the smallest takes', [known('SIZE 700', 'DSN'), known('SIZE 90', 'DSN')], ['SIZE 90', 'DSN']],
  [
    'is offered in the same words',
    [known('DELIVERBY 60', 'DSN'), known('DELIVERBY 9', 'DSN')],
    ['SIZE 5000', 'DSN'],
  ],
] as const satisfies readonly (readonly [string, readonly KnownOffer[], readonly string[]])[]) {
  test(`lists what ${name}`, () => {
    assert.deepEqual(offeredKeywords(offers, MAX, false), ['PIPELINING', ...expected]);
  });
}

test('lists REQUIRETLS inside TLS only, and where all have it', () => {
  const [has, lacks] = [known('REQUIRETLS'), known('DSN')];
  assert.ok(offeredKeywords([has], MAX, true).includes('REQUIRETLS'));
  assert.ok(!offeredKeywords([has], MAX, false).includes('REQUIRETLS'));
  assert.ok(!offeredKeywords([has, lacks], MAX, true).includes('REQUIRETLS'));
});

const [A, B, MAIN]: readonly [Route, Route, Route] = [
  { name: 'A', targets: [] },
  { name: 'B', targets: [] },
  { name: undefined, targets: [] },
];
const there = new Networks(['10.0.0.0/8']);
const pattern = addressPattern('@x.test');
const somebody = pattern === undefined ? [] : [pattern];

for (const [name, rules, user, routes] of [
  ['the default without rules', [], undefined, [MAIN]],
  [
    'all that senders and recipients can lead to',
    [
      { senders: somebody, verdict: A },
      { recipients: somebody, verdict: B },
    ],
    undefined,
    [A, B, MAIN],
  ],
  ['nothing of other clients', [{ clients: there, verdict: A }], undefined, [MAIN]],
  ['nothing behind a rule that is about all its mail', [{ verdict: B }, { verdict: A }], undefined, [B]],
  ['no refusal', [{ senders: somebody, verdict: { sentence: 'No.' } }], undefined, [MAIN]],
  ['what logging in can lead to, before it', [{ users: ['ann'], verdict: A }], undefined, [A, MAIN]],
  [
    'what its name leads to',
    [
      { users: ['bob'], verdict: B },
      { users: ['*'], verdict: A },
    ],
    'ann',
    [A],
  ],
] as const satisfies readonly (readonly [
  string,
  readonly RouteRule<Verdict>[],
  string | undefined,
  readonly Route[],
])[]) {
  test(`counts as the upstreams of a client ${name}`, () => {
    assert.deepEqual(new RouteTable(MAIN, rules).forClient('127.0.0.1', user), routes);
  });
}
