/**
 * The unit for systemd, as systemd-analyze judges it. No systemd runs here: that it starts is not tried.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { shippedPath, shippedText } from '../support/shipped-files.ts';

const run = promisify(execFile);
const UNIT = 'packaging/systemd/sealpost.service';
/** Of ten; docs/guides/systemd.md states it, and what makes it. */
const EXPOSURE = '1.3';

test('the unit has nothing that systemd does not know', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sealpost-unit-'));
  try {
    const file = join(directory, 'sealpost.service');
    // Where the relay is not installed, another program stands in for it.
    writeFileSync(file, shippedText(UNIT).replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'));
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
    assert.equal(stdout + stderr, '');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the unit is as little exposed as its guide says', async () => {
  const bound = ['--offline=true', `--threshold=${Number(EXPOSURE) * 10}`];
  const { stdout } = await run('systemd-analyze', ['security', '--no-pager', ...bound, shippedPath(UNIT)]);
  assert.match(stdout, new RegExp(`Overall exposure level for sealpost.service: ${EXPOSURE} `));
  assert.match(shippedText('docs/guides/systemd.md'), new RegExp(`\\b${EXPOSURE}\\b`));
});
