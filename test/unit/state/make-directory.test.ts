import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { makeDirectory } from '../../../src/state/make-directory.ts';

const root = mkdtempSync(join(tmpdir(), 'sealpost-directories-'));
after(() => rmSync(root, { recursive: true }));

test('makes what is missing, for the owner only, and says whether it did', async () => {
  const deep = join(root, 'one', 'two', 'three');
  assert.equal(await makeDirectory(deep), true);
  for (const made of [deep, join(root, 'one')]) assert.equal(statSync(made).mode & 0o777, 0o700);
  assert.equal(await makeDirectory(deep), false);
});

test('lets several make the same directory at once', async () => {
  const same = join(root, 'a', 'b');
  await Promise.all(Array.from({ length: 20 }, async () => makeDirectory(same)));
  assert.ok(statSync(same).isDirectory());
});

test('fails below a file, and below what takes no directories', { timeout: 10_000 }, async () => {
  writeFileSync(join(root, 'file'), '');
  await assert.rejects(makeDirectory(join(root, 'file', 'x', 'y')), { code: 'ENOTDIR' });
  await assert.rejects(makeDirectory('/proc/x/y'), { code: 'ENOENT' });
});
