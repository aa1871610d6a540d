/**
 * Reply texts made to deceive a terminal, a log reader or a device's display: what is passed on is one printable line.
 */
import { strict as assert } from 'node:assert';

import { insideTls } from '../support/hostile-answers.ts';
import { authenticated, type Attack } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';

const TRICKS: readonly (readonly [what: string, text: string | Buffer, shown: string])[] = [
  ['terminal escapes', '\u001b[2J\u001b]0;pwned\u0007no', '?[2J?]0;pwned?no'],
  ['C1 controls', 'no\u009b31m and \u0085 line', 'no?31m and ? line'],
  ['backspaces and DEL', 'yes\b\b\bno\u007f', 'yes???no?'],
  ['bidirectional overrides', 'user \u202egnp.exe\u202c \u2066x\u2069', 'user ?gnp.exe? ?x?'],
  ['zero-width characters', 'pay\u200bpal\u200d \ufeffno', 'pay?pal? ?no'],
  ['Unicode line breaks', 'no\u2028{"event":"forged"}\u2029', 'no?{"event":"forged"}?'],
  ['octets that are no UTF-8', Buffer.from([0x6e, 0xff, 0xfe, 0xc0, 0xaf, 0x6f]), 'n????o'],
  ['a tab', 'no\tsuch user', 'no such user'],
];

/** As UTF-8, CRLF at the end. */
function refusalOf(text: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from('550 5.1.1 '), Buffer.from(text), Buffer.from('\r\n')]);
}

const atRcpt = TRICKS.map(([what, text, shown]): Attack => ({
  name: `shows ${what} in a refused RCPT as question marks`,
  script: insideTls('RCPT', refusalOf(text)),
  reply: '550 5.1.1',
  keepsHop: true,
  logged: 'recipient.refused',
  also: (reply) => assert.deepEqual(reply.lines, [`5.1.1 ${shown}`]),
}));

const atVerdict = TRICKS.map(([what, text, shown]): Attack => ({
  name: `shows ${what} in a refused message as question marks`,
  script: { verdict: () => refusalOf(text) },
  reply: '550 5.1.1',
  keepsHop: true,
  isComplete: true,
  also: async (reply, stage) => {
    assert.deepEqual(reply.lines, [`5.1.1 ${shown}`]);
    assert.equal((await stage.event('transaction.refused'))['reply'], `550 5.1.1 ${shown}`);
  },
}));

const atOpening = TRICKS.map(([what, text]): Attack => ({
  name: `shows no ${what} of a greeting that refuses`,
  script: { greeting: refusalOf(text) },
  reply: '451 4.4.1',
}));

const other: readonly Attack[] = [
  {
    name: 'keeps every line of a long refusal',
    script: insideTls('RCPT', `550-5.1.1 ${'a'.repeat(1_200)}\r\n550-5.1.1 two\r\n550 5.1.1 three\r\n`),
    reply: '550 5.1.1',
    keepsHop: true,
    logged: 'recipient.refused',
    also: (reply) => {
      assert.equal(reply.lines.length, 3);
      assert.equal(reply.lines[2], '5.1.1 three');
    },
  },
  {
    name: 'drops an enhanced code of another class than the reply',
    script: insideTls('RCPT', '550 2.1.5 Recipient ok\r\n'),
    reply: '550 Recipient',
    keepsHop: true,
    logged: 'recipient.refused',
  },
];

const twins: readonly Innocent[] = [
  {
    name: 'passes on the letters of any language',
    script: insideTls('RCPT', '250 2.1.5 Empfänger für gut befunden, 宛先 ✓\r\n'),
  },
];

hostileSuite('Reply texts inside TLS', {
  setting: { scheme: 'smtps' },
  attacks: authenticated([...atRcpt, ...atVerdict, ...atOpening, ...other]),
  twins,
});

hostileSuite('Reply texts in clear', { setting: { scheme: 'smtp' }, attacks: atOpening, twins });
