/**
 * Addresses on a page: masked ones tell the domain and no more of the person than a letter.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DialogueTeller } from '../../../src/relay/dialogue-teller.ts';
import { shownAddress, withShownAddresses } from '../../../src/relay/shown-address.ts';
import { RecordedLog } from '../../support/spool-scene.ts';

for (const [address, masked] of [
  ['alice@example.test', 'a…@example.test'],
  ['"john doe"@example.test', '"…@example.test'],
  ['root', 'r…'],
  ['@example.test', '…@example.test'],
  ['', ''],
] as const) {
  test(`masks <${address}>`, () => {
    assert.equal(shownAddress(address, 'mask'), masked);
    assert.equal(shownAddress(address, 'hide'), address === '' ? '' : '…');
    assert.equal(shownAddress(address, 'show'), address);
  });
}

for (const [text, masked] of [
  ['550 5.1.1 <alice@example.test>: nobody', '550 5.1.1 <a…@example.test>: nobody'],
  ['250 alice+tag@sub.example.test, "bob b"@x.test ok', '250 a…@sub.example.test, "…@x.test ok'],
  ['550 grüße@bücher.example', '550 g…@bücher.example'],
  [
    "550 o'hara@x.test, 'bob@x.test' \"carl@x.test\" unknown",
    '550 o…@x.test, \'b…@x.test\' "c…@x.test" unknown',
  ],
  [`550 <"${'long '.repeat(20)}"@x.test> to="dora \\" b"@x.test`, '550 <"…@x.test> to="…@x.test'],
  ['250 2.0.0 Ok', '250 2.0.0 Ok'],
] as const) {
  test(`masks addresses in: ${text}`, () => {
    assert.equal(withShownAddresses(text, 'mask'), masked);
    assert.equal(withShownAddresses(text, 'show'), text);
  });
}

test('takes no longer for a text that looks like an address for long', () => {
  const text = `@ ${'a'.repeat(2_000_000)} ${'"'.repeat(100_000)}`;
  assert.equal(withShownAddresses(text, 'mask'), text); // would take hours
});

test('listens to twenty dialogues a second, and to more in the next', () => {
  let now = 0;
  const teller = new DialogueTeller('mask', () => now);
  const listened = (): number => Array.from({ length: 100 }, () => teller.mayListen()).filter(Boolean).length;
  assert.equal(listened(), 20);
  now = 1_000;
  assert.equal(listened(), 20);
});

test('tells names and replies as the page may show them', () => {
  const [log, teller] = [new RecordedLog(), new DialogueTeller('mask')];
  const exchanges = [{ command: 'RCPT TO:<b…@y.test>', reply: '550 bob@y.test is nobody', ms: 1 }];
  teller.tell(log, { sid: 's', tid: 't', helo: 'h\u202e', exchanges });
  const shown = [{ command: 'RCPT TO:<b…@y.test>', reply: '550 b…@y.test is nobody', ms: 1 }];
  assert.deepEqual(log.of('dialogue.ended'), [{ sid: 's', tid: 't', helo: 'h?', exchanges: shown }]);
});
