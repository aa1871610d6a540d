import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { SendmailError, SYSEXITS } from '../../src/sendmail/exit-code.ts';
import { parseOptions, type Options } from '../../src/sendmail/options.ts';

const DEFAULTS: Options = {
  mode: 'deliver',
  dotEnds: true,
  readsHeader: false,
  isVerbose: false,
  recipients: [],
};

function parse(line: string): Options {
  return parseOptions(line.split(' ').filter((word) => word !== ''));
}

/** As callers write it. */
const LINES: readonly (readonly [string, Partial<Options>])[] = [
  ['', {}],
  ['-t -i', { readsHeader: true, dotEnds: false }],
  ['-ti', { readsHeader: true, dotEnds: false }],
  ['-oi -t', { readsHeader: true, dotEnds: false }],
  ['-o i -t', { readsHeader: true, dotEnds: false }],
  ['-O IgnoreDots -t', { readsHeader: true, dotEnds: false }],
  ['-OIgnoreDots=True -O IgnoreDots=true b@y', { dotEnds: false, recipients: ['b@y'] }],
  ['-O IgnoreDots=False b@y', { recipients: ['b@y'] }],
  ['-FCronDaemon -i -B8BITMIME -oem root', { fullName: 'CronDaemon', dotEnds: false, recipients: ['root'] }],
  ['-fa@x b@y c@z', { sender: 'a@x', recipients: ['b@y', 'c@z'] }],
  ['-f a@x -- -b@y', { sender: 'a@x', recipients: ['-b@y'] }],
  ['-r a@x b@y', { sender: 'a@x', recipients: ['b@y'] }],
  ['-i -f a@x -- b@y', { dotEnds: false, sender: 'a@x', recipients: ['b@y'] }],
  ['-bm -oi -odb -oee -o7 -oQ/tmp b@y', { dotEnds: false, recipients: ['b@y'] }],
  ['-em -h 12 -m -n -G -U -L tag -O Timeout=1 -C /etc/x -pESMTP b@y', { recipients: ['b@y'] }],
  [
    '-B 8BITMIME -N never -R hdrs -V id b@y',
    { notify: 'NEVER', returned: 'HDRS', envelopeId: 'id', recipients: ['b@y'] },
  ],
  ['-N success,delay b@y', { notify: 'SUCCESS,DELAY', recipients: ['b@y'] }],
  ['-v b@y', { isVerbose: true, recipients: ['b@y'] }],
  ['-bs', { mode: 'smtp' }],
  ['-bp', { mode: 'mailq' }],
  ['-q', { mode: 'mailq' }],
  ['-q30m', { mode: 'mailq' }],
  ['-bi', { mode: 'newaliases' }],
  ['-I', { mode: 'newaliases' }],
  ['--help', { mode: 'help' }],
  ['--version', { mode: 'version' }],
];

describe('options', () => {
  for (const [line, meant] of LINES) {
    test(`understands "${line}"`, () => assert.deepEqual(parse(line), { ...DEFAULTS, ...meant }));
  }

  test('takes an empty sender', () => assert.equal(parseOptions(['-f', '', 'b@y']).sender, ''));

  for (const line of [
    '-bd',
    '-bv b@y',
    '-bx',
    '-z b@y',
    '-f',
    '-N sometimes b@y',
    '-R half b@y',
    '--unknown',
  ]) {
    test(`refuses "${line}" as a mistake of usage`, () => {
      assert.throws(
        () => parse(line),
        (error) => error instanceof SendmailError && error.exitCode === SYSEXITS.usage,
      );
    });
  }

  test('refuses an option behind a recipient, which would be lost', () => {
    assert.throws(() => parse('b@y -f a@x'), /-f stands behind a recipient/);
  });

  test('goes by the name it is called', () => {
    assert.equal(parseOptions([], 'mailq').mode, 'mailq');
    assert.equal(parseOptions([], 'newaliases').mode, 'newaliases');
    assert.equal(parseOptions([], 'sendmail').mode, 'deliver');
  });
});
