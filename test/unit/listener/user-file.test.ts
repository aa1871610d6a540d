/**
 * The file of users.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseUserFile } from '../../../src/listener/user-file.ts';

const HASH = `$scrypt$ln=15,r=8,p=3$c2FsdHNhbHRzYWx0c2FsdA$${'A'.repeat(43)}`;

test('reads names with hashes and with secrets, and skips what is no user', () => {
  const users = parseUserFile(
    `\ufeff# the office\r\n\r\n  \r\nscanner:${HASH}\r\nold printer:{PLAIN}two words:and a colon \n # end\n`,
  );
  assert.deepEqual([...users.keys()], ['scanner', 'old printer']);
  assert.equal(users.get('scanner')?.kind, 'hash');
  const printer = users.get('old printer');
  assert.ok(printer?.kind === 'plain');
  assert.equal(printer.secret.reveal(), 'two words:and a colon ');
});

test('keeps names apart that differ in case only', () => {
  assert.equal(parseUserFile(`a:${HASH}\nA:${HASH}`).size, 2);
});

test('tells all faults in one go, by line number, and shows nothing of the lines', () => {
  const text = `# users\nmallory canary-1\n:${HASH}\na:canary-2\nb:${HASH}\nb:${HASH}\nc:{PLAIN}\n`;
  assert.throws(
    () => parseUserFile(text),
    (error) => {
      assert.ok(error instanceof Error);
      const numbers = [...error.message.matchAll(/line (\d+)/g)].map(([, number]) => Number(number));
      assert.deepEqual(numbers, [2, 3, 4, 6, 7]);
      assert.doesNotMatch(error.message, /canary|AAAA|mallory/);
      return true;
    },
  );
});

test('refuses a name or secret in another character set, which nobody could log in with', () => {
  const text = Buffer.from('a:{PLAIN}größe\n', 'latin1').toString('utf8');
  assert.throws(() => parseUserFile(text), /line 1 .*UTF-8/);
});

test('refuses a file without users', () => {
  assert.throws(() => parseUserFile('# nobody yet\n'), /at least one user/);
});
