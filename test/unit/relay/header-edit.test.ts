import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { HeaderBlock } from '../../../src/relay/header-block.ts';
import { editFrom, type FromEdit } from '../../../src/relay/header-edit.ts';
import { cut } from '../cut.ts';

const SENDER = 'relay@verified.test';
const ALWAYS: FromEdit = {
  complete: (address) => address,
  rewrite: () => SENDER,
  unreadable: SENDER,
  missing: SENDER,
  keepsReplyTo: false,
};
const COMPLETING: FromEdit = {
  complete: (address) => (address.includes('@') ? address : `${address}@local.test`),
  rewrite: (address) => address,
  unreadable: undefined,
  missing: undefined,
  keepsReplyTo: true,
};

/** Latin-1 in and out: one character for each octet. */
function edited(text: string, edit: FromEdit): string {
  const { fieldsInFront, octets: header } = editFrom(Buffer.from(text, 'latin1'), edit);
  return fieldsInFront + header.toString('latin1');
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** What follows `From:`, before and after. */
const REWRITTEN: readonly (readonly [string, string, string])[] = [
  ['an address alone', ' a@x.test', ' relay@verified.test'],
  ['an address without the blank', 'a@x.test', 'relay@verified.test'],
  ['a name and brackets', ' Ann Bell <a@x.test>', ' Ann Bell <relay@verified.test>'],
  ['a quoted name', ' "Bell, Ann (\\"x\\")" <a@x.test>', ' "Bell, Ann (\\"x\\")" <relay@verified.test>'],
  ['a name that is the address', ' "a@x.test" <a@x.test>', ' "a@x.test" <relay@verified.test>'],
  ['a comment', ' a@x.test (Ann, née Bell)', ' relay@verified.test (Ann, née Bell)'],
  ['a nested comment in front', ' (a (b@z) c) a@x.test', ' (a (b@z) c) relay@verified.test'],
  ['encoded words', ' =?utf-8?Q?M=C3=BCller?= <a@x.test>', ' =?utf-8?Q?M=C3=BCller?= <relay@verified.test>'],
  [
    'folded encoded words',
    ' =?utf-8?B?TcO8?=\r\n =?utf-8?B?bGxlcg==?=\r\n\t<a@x.test>',
    ' =?utf-8?B?TcO8?=\r\n =?utf-8?B?bGxlcg==?=\r\n\t<relay@verified.test>',
  ],
  ['a fold before the address', '\r\n  a@x.test', '\r\n  relay@verified.test'],
  ['a fold inside a comment', ' a@x.test (a\r\n b)', ' relay@verified.test (a\r\n b)'],
  ['trailing blanks', ' <a@x.test>  \t', ' <relay@verified.test>  \t'],
  ['8-bit names in UTF-8', latin1(' Jürgen Àß <a@x.test>'), latin1(' Jürgen Àß <relay@verified.test>')],
  ['8-bit names in Latin-1', ' J\xfcrgen \x85\xa0 <a@x.test>', ' J\xfcrgen \x85\xa0 <relay@verified.test>'],
  ['an 8-bit local part', latin1(' jürgen@x.test'), ' relay@verified.test'],
  [
    'several addresses',
    ' A <a@x.test>, b@y.test,\r\n "C" <c@z.test>',
    ' A <relay@verified.test>, relay@verified.test,\r\n "C" <relay@verified.test>',
  ],
  ['a group', ' Team: A <a@x.test>, b@y.test;', ' Team: A <relay@verified.test>, relay@verified.test;'],
  ['a source route', ' A <@r.test:a@x.test>', ' A <relay@verified.test>'],
  ['blanks inside brackets', ' A < a@x.test >', ' A < relay@verified.test >'],
  ['a quoted local part', ' "a b"@x.test', ' relay@verified.test'],
  ['a bare local part', ' root (Cron Daemon)', ' relay@verified.test (Cron Daemon)'],
  ['a bare local part in brackets', ' Cron <root>', ' Cron <relay@verified.test>'],
  ['an address literal', ' a@[192.0.2.1]', ' relay@verified.test'],
  ['nothing', '', ' relay@verified.test'],
  ['blanks', '  ', ' relay@verified.test'],
  ['an empty group', ' undisclosed:;', ' relay@verified.test'],
  ['a name without address', ' Scanner Room 3', ' relay@verified.test'],
  ['empty brackets', ' Printer <>', ' relay@verified.test'],
  ['a name with a comma that is not quoted', ' Bell, Ann <a@x.test>', ' relay@verified.test'],
  ['an open quote', ' "Ann <a@x.test>', ' relay@verified.test'],
  ['an open bracket', ' Ann <a@x.test', ' relay@verified.test'],
  ['two @', ' a@b@x.test', ' relay@verified.test'],
  ['a NUL', ' a\0b <a@x.test>', ' relay@verified.test'],
];

const BEFORE = 'Received: from a@x.test\r\n\tby b\r\nX-From: a@x.test\r\n';
const BEHIND = 'To: a@x.test\r\nSender: a@x.test\r\nResent-From: a@x.test\r\n\r\nFrom: a@x.test\r\n';

function messageFrom(body: string): string {
  return `${BEFORE}From:${body}\r\n${BEHIND}`;
}

describe('puts the sender into a From with', () => {
  for (const [name, before, after] of REWRITTEN) {
    test(name, () => {
      assert.equal(edited(messageFrom(before), ALWAYS), messageFrom(after));
    });
  }
});

test('finds From in any letter case, with blanks before the colon, behind the envelope line of an mbox file', () => {
  const header = 'From a@x.test Sun Nov 22 09:30:00 2026\r\n continued\r\nFROM \t: a@x.test\r\n\r\n';
  assert.equal(
    edited(header, ALWAYS),
    'From a@x.test Sun Nov 22 09:30:00 2026\r\n continued\r\nFROM \t: relay@verified.test\r\n\r\n',
  );
});

test('treats every From field where there are several', () => {
  assert.equal(
    edited('From: a@x.test\r\nTo: b@y.test\r\nfrom: A <b@x.test>\r\n\r\n', ALWAYS),
    'From: relay@verified.test\r\nTo: b@y.test\r\nfrom: A <relay@verified.test>\r\n\r\n',
  );
});

test('gives a message without From one in front, also where it has no header', () => {
  for (const text of ['To: b@y.test\r\n\r\nFrom: body\r\n', '\r\nbody\r\n', 'no header\r\n', ''])
    assert.equal(edited(text, ALWAYS), `From: relay@verified.test\r\n${text}`);
  const result = editFrom(Buffer.from('To: b@y.test\r\n\r\n'), { ...ALWAYS, missing: undefined });
  assert.equal(result.isChanged, false);
});

test('keeps the old From in Reply-To behind it, as it was written, where there is none', () => {
  const keeping = { ...ALWAYS, keepsReplyTo: true };
  const body = latin1(' =?utf-8?Q?M?=\r\n Jürgen (x) <a@x.test>\r\n');
  assert.equal(
    edited(`From:${body}To: b@y.test\r\n\r\n`, keeping),
    `From:${body.replace('a@x.test', SENDER)}Reply-To:${body}To: b@y.test\r\n\r\n`,
  );
  const answered = 'From: a@x.test\r\nREPLY-TO: c@z.test\r\n\r\n';
  assert.equal(edited(answered, keeping), answered.replace('a@x.test', SENDER));
  assert.equal(
    edited('From: a@x.test\r\nFrom: b@x.test\r\n\r\n', keeping),
    `From: ${SENDER}\r\nReply-To: a@x.test\r\nFrom: ${SENDER}\r\n\r\n`,
  );
  assert.equal(edited('From: Room 3\r\n\r\n', keeping), `From: ${SENDER}\r\n\r\n`);
});

test('keeps in Reply-To the completed address of a bare local part', () => {
  const both = { ...COMPLETING, rewrite: () => SENDER };
  assert.equal(
    edited('From: Cron <root>\r\n\r\n', both),
    `From: Cron <${SENDER}>\r\nReply-To: Cron <root@local.test>\r\n\r\n`,
  );
});

const COMPLETED: readonly (readonly [string, string])[] = [
  [' root', ' root@local.test'],
  [' root (Cron Daemon)', ' root@local.test (Cron Daemon)'],
  [' "Cron" <root>', ' "Cron" <root@local.test>'],
  [' "a b"', ' "a b"@local.test'],
  [' root, daemon', ' root@local.test, daemon@local.test'],
  [latin1(' jürgen'), latin1(' jürgen@local.test')],
  [' a@x.test', ' a@x.test'],
  [' Bell, Ann <a@x.test>', ' Bell, Ann <a@x.test>'],
  [' Scanner Room 3', ' Scanner Room 3'],
  ['', ''],
];

test('completes bare local parts only, and adds no Reply-To for that', () => {
  for (const [before, after] of COMPLETED)
    assert.equal(edited(`From:${before}\r\n\r\nx`, COMPLETING), `From:${after}\r\n\r\nx`);
});

test('replaces in a list only what is to be replaced', () => {
  const some = { ...ALWAYS, rewrite: (address: string) => (address.endsWith('@x.test') ? address : SENDER) };
  assert.equal(
    edited('From: a@x.test, B <b@y.test>, c@x.test\r\n\r\n', some),
    `From: a@x.test, B <${SENDER}>, c@x.test\r\n\r\n`,
  );
});

test('gives back the octets themselves where nothing is to be changed', () => {
  for (const text of [`From: "x" <${SENDER}>\r\n\r\nbody`, 'From: a @ x.test\r\n\r\n']) {
    const header = Buffer.from(text);
    const result = editFrom(header, { ...COMPLETING, keepsReplyTo: true });
    assert.deepEqual([result.isChanged, result.fieldsInFront], [false, '']);
    assert.equal(result.octets, header);
  }
});

test('reads a From of a mebibyte of anything in no time worth mentioning', { timeout: 10_000 }, () => {
  for (const filling of ['"', '(', 'a,', '<', '\\', 'a.', '=?', 'a@b,', ' ', '("']) {
    const body = filling.repeat(Math.floor(1_000_000 / filling.length));
    const result = edited(`From: ${body}\r\n\r\n`, ALWAYS);
    assert.ok(result.includes(SENDER));
  }
  assert.ok(
    !edited(`${'From:a\r\n'.repeat(125_000)}\r\n`, ALWAYS).includes(':a'),
    'each of so many is rewritten',
  );
  for (const filling of ['"', '(', 'a,', 'a.', 'a@b,', '("']) {
    const body = filling.repeat(Math.floor(60_000 / filling.length));
    assert.ok(edited(`From: ${body}\r\n\r\n`, ALWAYS).includes(SENDER));
  }
});

// Any octet but CR and LF: what they may do is the business of whole lines.
const octets = fc
  .array(
    fc.nat(255).filter((octet) => octet !== 0x0d && octet !== 0x0a),
    { maxLength: 30 },
  )
  .map((list) => Buffer.from(list).toString('latin1'));
const name = fc.constantFrom(
  'Ann ',
  '"Bell, Ann" ',
  '=?utf-8?Q?M=C3=BC?=\r\n =?utf-8?Q?r?=\r\n ',
  'J\xfcr\x85gen ',
  '(c (d@e)) ',
  '',
);
const mailbox = fc.tuple(name, fc.constantFrom('a@x.test', '"q @ r"@x.test', 'b@[192.0.2.1]', 'root'));
const otherField = fc.tuple(fc.constantFrom('To', 'X-From', 'Subject', 'Sender'), octets);

function linesOf(fields: readonly (readonly [string, string])[]): string {
  return fields.map(([field, value]) => `${field}: ${value}\r\n`).join('');
}

test('keeps every octet outside the addresses of From, whatever else the message is', () => {
  fc.assert(
    fc.property(
      fc.array(otherField, { maxLength: 4 }),
      fc.array(mailbox, { minLength: 1, maxLength: 4 }),
      fc.array(otherField, { maxLength: 4 }),
      octets,
      (above, list, below, body) => {
        fc.pre(list.every(([, address]) => (address === 'root') === (list[0]?.[1] === 'root')));
        const message = (address: (one: string) => string): string =>
          `${linesOf(above)}From: ${list.map(([words, one]) => `${words}<${address(one)}>`).join(',\r\n ')}\r\n` +
          `${linesOf(below)}\r\nFrom: a@x.test\r\n${body}`;
        assert.equal(
          edited(
            message((one) => one),
            ALWAYS,
          ),
          message(() => SENDER),
        );
      },
    ),
  );
});

test('changes nothing but From fields, however damaged the message, and finds nothing to do a second time', () => {
  const part = fc.oneof(octets, fc.constantFrom('From: ', '\r\n', '\r\n ', 'from :', 'To: '));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      const text = `${parts.join('')}\r\n`;
      fc.pre(!/^[ \t]/.test(text)); // what goes in front of it is told apart by an empty line, which is not put here
      const once = edited(text, ALWAYS);
      assert.equal(edited(once, ALWAYS), once);
      assert.deepEqual(linesBesideFrom(once), linesBesideFrom(text));
    }),
    { numRuns: 500 },
  );
});

function linesBesideFrom(text: string): readonly string[] {
  return text.split('\r\n').filter((line) => !/^(?:From[ \t]*:|[ \t])/i.test(line));
}

test('edits the same in however many pieces the header came', () => {
  fc.assert(
    fc.property(fc.array(mailbox, { maxLength: 3 }), fc.array(fc.nat(300), { maxLength: 20 }), (list, at) => {
      const from = list.map(([words, one]) => `${words}<${one}>`).join(', ');
      const text = `To: b@y.test\r\nFrom: ${from}\r\nSubject: x\r\n\r\nbody\r\nFrom: c@z.test\r\n`;
      const whole = Buffer.from(text, 'latin1');
      const block = new HeaderBlock();
      let rest: readonly Buffer[] = [];
      for (const [index, piece] of cut(whole, at).entries()) {
        if (!block.isWhole) block.add(piece);
        else if (rest.length === 0) rest = cut(whole, at).slice(index);
      }
      const { octets: header } = editFrom(block.octets, ALWAYS);
      assert.equal(Buffer.concat([header, ...rest]).toString('latin1'), edited(text, ALWAYS));
    }),
  );
});
