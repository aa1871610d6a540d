import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Draft } from '../../src/sendmail/draft.ts';
import { envelopeOf, headerForRelay } from '../../src/sendmail/envelope.ts';
import { SendmailError } from '../../src/sendmail/exit-code.ts';
import { headerOf } from '../../src/protocol/header-fields.ts';
import { LoneDot } from '../../src/sendmail/lone-dot.ts';
import { parseOptions } from '../../src/sendmail/options.ts';

const CALLER = { loginName: 'www-data', hostname: 'host.example.test' };

function crlf(text: string): Buffer {
  return Buffer.from(text.replaceAll('\n', '\r\n'));
}

/** The message as it goes to the relay, with LF. */
function edited(message: string, fullName?: string, sender = 'a@x.test'): string {
  return headerForRelay(headerOf(crlf(message)), fullName, sender, CALLER)
    .toString()
    .replaceAll('\r\n', '\n');
}

function recipients(message: string, ...args: readonly string[]): readonly string[] {
  return envelopeOf(parseOptions(args), headerOf(crlf(message)), CALLER).recipients;
}

function senderWith(...args: readonly string[]): string {
  return envelopeOf(parseOptions([...args, 'b@y.test']), headerOf(crlf('')), CALLER).sender;
}

function isUsage(error: unknown): boolean {
  return error instanceof SendmailError && error.exitCode === 64;
}

describe('recipients', () => {
  const message =
    'To: b@y.test,\n c@y.test\nCC: "D" <d@y.test>\nBcc: e@y.test,\n\tb@y.test\n\nTo: f@y.test\n';

  test('come from the arguments alone without -t', () => {
    assert.deepEqual(recipients(message, 'x@y.test', 'z@y.test,x@y.test'), ['x@y.test', 'z@y.test']);
  });
  test('come from To, Cc and Bcc with -t, each once', () => {
    assert.deepEqual(recipients(message, '-t'), ['b@y.test', 'c@y.test', 'd@y.test', 'e@y.test']);
  });
  test('of the arguments and of the header add up with -t', () => {
    assert.deepEqual(recipients('To: b@y.test\n\n', '-t', 'x@y.test', 'b@y.test'), ['x@y.test', 'b@y.test']);
  });
  test('come from the Resent fields alone where there are any', () => {
    const resent = `Resent-To: r@y.test\nResent-Bcc: s@y.test\n${message}`;
    assert.deepEqual(recipients(resent, '-t'), ['r@y.test', 's@y.test']);
  });
  test('are found in a field given twice and in an mbox message', () => {
    assert.deepEqual(
      recipients('From a@x.test Sun Nov 22 09:30:00 2026\nTo: b@y.test\nTo: c@y.test\n\n', '-t'),
      ['b@y.test', 'c@y.test'],
    );
  });
  test('that are missing are a mistake of usage', () => {
    assert.throws(() => recipients(message), isUsage);
    assert.throws(() => recipients('Subject: none\n\n', '-t'), isUsage);
    assert.throws(() => recipients('', 'not an address'), isUsage);
  });
  test('that cannot be read in the header are bad data', () => {
    assert.throws(
      () => recipients('To: b@y.test c@y.test\n\n', '-t'),
      (error) =>
        error instanceof SendmailError && error.exitCode === 65 && error.message.includes('the field to'),
    );
  });
});

describe('the sender', () => {
  test('is the login name at this host by default', () =>
    assert.equal(senderWith(), 'www-data@host.example.test'));
  test('is what -f or -r says', () => {
    assert.equal(senderWith('-f', 'a@x.test'), 'a@x.test');
    assert.equal(senderWith('-r', 'A <a@x.test>'), 'a@x.test');
    assert.equal(senderWith('-f', '"a b"@x.test'), '"a b"@x.test');
  });
  test('gets the name of this host when it has no domain', () =>
    assert.equal(senderWith('-froot'), 'root@host.example.test'));
  test('is null for an empty one or <>', () => {
    assert.equal(senderWith('-f', ''), '');
    assert.equal(senderWith('-f', '<>'), '');
  });
  test('is refused when it is not one address', () => {
    assert.throws(() => senderWith('-f', 'a@x.test, b@x.test'), SendmailError);
    assert.throws(() => senderWith('-f', 'a@x.test\r\nRCPT TO:<e@z.test>'), SendmailError);
  });
});

describe('the header', () => {
  test('loses Bcc, Resent-Bcc and Return-Path with all their lines, and keeps every other octet', () => {
    const odd =
      'X-A:b\nBCC : c@y.test,\n\td@y.test\n  \nFrom: a@x.test\nX-Fold:\n \t x  \nReturn-Path: <r@x.test>\nbcc:e@y.test\nResent-Bcc: f@y.test\nTo: g@y.test\n\nBcc: body\n';
    assert.equal(edited(odd), 'X-A:b\nFrom: a@x.test\nX-Fold:\n \t x  \nTo: g@y.test\n\nBcc: body\n');
  });
  test('gets a From field when it has none', () => {
    assert.equal(edited('Subject: s\n\nbody\n'), 'From: a@x.test\nSubject: s\n\nbody\n');
  });
  test('keeps its From whatever -F says', () => {
    assert.equal(edited('from: b@x.test\n\n', 'Name'), 'from: b@x.test\n\n');
  });
  for (const [name, shown] of [
    ['Cron Daemon', 'Cron Daemon <a@x.test>'],
    ['Doe, John "J" \\', '"Doe, John \\"J\\" \\\\" <a@x.test>'],
    ['=?utf-8?q?x?=', '"=?utf-8?q?x?=" <a@x.test>'],
    ['J. Müller', '=?UTF-8?B?Si4gTcO8bGxlcg==?= <a@x.test>'],
    ['x\r\nBcc: e@z.test', '"x Bcc: e@z.test" <a@x.test>'],
    ['', 'a@x.test'],
  ] as const) {
    test(`gets the full name ${JSON.stringify(name)} in a form that a header can have`, () => {
      assert.equal(edited('\n', name), `From: ${shown}\n\n`);
    });
  }
  test('gets a long full name in words that cut no character', () => {
    const from = edited('\n', 'ü'.repeat(60)).split('\n');
    const words = from.flatMap((line) => /=\?UTF-8\?B\?([^?]*)\?=/.exec(line)?.[1] ?? []);
    assert.ok(from.every((line) => line.length <= 76));
    assert.equal(words.map((word) => Buffer.from(word, 'base64').toString()).join(''), 'ü'.repeat(60));
  });
  test('gets the name of the mail system with a null sender', () => {
    assert.equal(edited('\n', undefined, ''), 'From: MAILER-DAEMON@host.example.test\n\n');
  });
  test('is made for a message that has none, and cannot swallow the body', () => {
    assert.equal(edited('just text\nmore: text\n'), 'From: a@x.test\n\njust text\nmore: text\n');
    assert.equal(edited(' indented\n'), 'From: a@x.test\n\n indented\n');
    assert.equal(edited('Subject: s\njust text\n'), 'From: a@x.test\nSubject: s\n\njust text\n');
    assert.equal(edited(''), 'From: a@x.test\n');
  });
  test('loses the envelope line of an mbox file', () => {
    assert.equal(
      edited('From a@x.test Sun Nov 22 09:30:00 2026\nFrom: b@x.test\n\nb\n'),
      'From: b@x.test\n\nb\n',
    );
  });
});

describe('the end of the input', () => {
  const content = Buffer.from('.x\r\n..\r\n . \r\nx.\r\n.\t\r\nlast\r\n');

  test('is a line with nothing but a dot, however the octets are cut', () => {
    const whole = Buffer.concat([content, Buffer.from('.\r\nnot this\r\n.\r\n')]);
    for (let first = 0; first < whole.length; first += 1) {
      for (const second of [first, first + 1, first + 2, whole.length]) {
        const pieces = [whole.subarray(0, first), whole.subarray(first, second), whole.subarray(second)];
        assert.equal(untilDot(pieces), content.toString());
      }
    }
  });
  test('may be a lone dot at the very beginning, and a dot without a line end', async () => {
    for (const [input, expected] of [
      ['.\nx\n', ''],
      ['.', ''],
      ['x\n.', 'x\r\n'],
      ['x.', 'x.'],
      ['x\n.y', 'x\r\n.y'],
    ] as const) {
      await using draft = await Draft.take(piped(input), true);
      assert.equal(draft.start.toString(), expected);
    }
  });
  test('is the end of the pipe alone when dots do not end it', async () => {
    await using draft = await Draft.take(piped('a\n.\nb\n'), false);
    assert.equal(draft.start.toString(), 'a\r\n.\r\nb\r\n');
  });
});

describe('a draft', () => {
  test('holds one mebibyte and reads the rest twice from a file without a name', async () => {
    const lines = Buffer.from('grüße, number by number\n'.repeat(100_000));
    await using draft = await Draft.take(chunks(lines, 60_001), true);
    const expected = lines.toString().replaceAll('\n', '\r\n');
    assert.equal(draft.start.length, 1_048_576);
    assert.ok(!draft.isHeld);
    assert.ok(draft.isEightBit);
    for (let time = 0; time < 2; time += 1) {
      const read = [draft.start];
      for await (const piece of draft.rest()) read.push(Buffer.from(piece));
      assert.ok(Buffer.concat(read).toString() === expected);
    }
  });
  test('knows seven bits from eight and makes stray line ends CRLF', async () => {
    await using draft = await Draft.take(piped('a\rb\r\nc\n\r'), true);
    assert.equal(draft.start.toString(), 'a b\r\nc\r\n ');
    assert.ok(!draft.isEightBit);
    assert.equal(draft.octets, draft.start.length);
  });
});

/** Fails unless a lone dot comes. */
function untilDot(pieces: readonly Buffer[]): string {
  const dot = new LoneDot();
  const read = pieces.map((piece) => (dot.hasCome ? '' : dot.read(piece).toString()));
  assert.ok(dot.hasCome);
  return read.join('');
}

async function* piped(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

async function* chunks(octets: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < octets.length; at += length) yield octets.subarray(at, at + length);
}
