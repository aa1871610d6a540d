import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { CommandLine } from '../../../src/protocol/command.ts';
import { COMMAND_LINE_OCTETS } from '../../../src/protocol/limits.ts';

const anything = fc.string({ unit: 'binary', maxLength: 80 });

test('makes one line of whatever it is given, or nothing', () => {
  const makers: readonly ((text: string) => CommandLine<'EHLO' | 'AUTH' | 'MAIL' | 'RCPT'>)[] = [
    (text) => CommandLine.ehlo(text),
    (text) => CommandLine.auth(text),
    (text) => CommandLine.auth('PLAIN', text),
    (text) => CommandLine.authResponse(text),
    (text) => CommandLine.mail(text),
    (text) => CommandLine.mail('<a@b>', [text]),
    (text) => CommandLine.rcpt(text, [text]),
  ];
  fc.assert(
    fc.property(anything, fc.constantFrom(...makers), (text, make) => {
      // oxlint-disable-next-line no-control-regex -- what must not be in a line
      const isForbidden = /[\r\n\0]/.test(text);
      if (isForbidden) {
        assert.throws(() => make(text), TypeError);
        return;
      }
      const line = make(text).toWire();
      assert.ok(line.endsWith('\r\n'));
      assert.equal(line.slice(0, -2).search(/[\r\n]/), -1);
    }),
  );
});

test('refuses a line that is too long', () => {
  const longest = 'x'.repeat(COMMAND_LINE_OCTETS - 2);
  assert.equal(CommandLine.authResponse(longest).toWire().length, COMMAND_LINE_OCTETS);
  assert.throws(() => CommandLine.authResponse(`${longest}x`), TypeError);
});

test('writes each command as its RFC does', () => {
  const lines = [
    [CommandLine.ehlo('[127.0.0.1]'), 'EHLO [127.0.0.1]'],
    [CommandLine.starttls(), 'STARTTLS'],
    [CommandLine.auth('PLAIN', ''), 'AUTH PLAIN ='],
    [CommandLine.mail('<>', ['SIZE=1', 'BODY=8BITMIME']), 'MAIL FROM:<> SIZE=1 BODY=8BITMIME'],
    [CommandLine.rcpt('<a@b>'), 'RCPT TO:<a@b>'],
    [CommandLine.data(), 'DATA'],
    [CommandLine.bdat(5, false), 'BDAT 5'],
    [CommandLine.bdat(0, true), 'BDAT 0 LAST'],
    [CommandLine.rset(), 'RSET'],
    [CommandLine.noop(), 'NOOP'],
    [CommandLine.quit(), 'QUIT'],
  ] as const;
  for (const [command, line] of lines) assert.equal(command.toWire(), `${line}\r\n`);
});

test('shows its verb and no more', () => {
  assert.equal(String(CommandLine.auth('PLAIN', 'c2VjcmV0')), 'AUTH');
});
