/**
 * What the command line tells about itself: help for every command, and completion by the words of that help.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';

import { INHERITED } from '../support/inherited-environment.ts';
import { shippedPath } from '../support/shipped-files.ts';

const run = promisify(execFile);
const CLI = shippedPath('src/cli.ts');

let commands: readonly string[];
before(async () => {
  commands = [...(await sealpost('--help')).matchAll(/^([a-z-]+) {2,}\S/gm)].map(([, name]) => name ?? '');
});

test('explains every command, and needs no variable for it', async () => {
  assert.ok(commands.length > 10);
  const pages = await Promise.all(commands.map(async (name) => sealpost(name, '--help')));
  for (const [index, page] of pages.entries())
    assert.ok(page.startsWith(`Usage: sealpost ${commands[index]}`), page);
});

test('says what is wrong with a command line, and runs nothing of it', async () => {
  for (const [args, said] of [
    [['relay'], /^sealpost: "relay" is no command\n\nUsage: sealpost COMMAND/],
    [['config', '--verbose'], /^sealpost: config takes no arguments\n\nUsage: sealpost config/],
  ] as const)
    await assert.rejects(sealpost(...args), { code: 64, stderr: said });
});

test('completes commands, their words and their options in bash', async () => {
  const script = await sealpost('completion', 'bash');
  const completed = async (...words: readonly string[]): Promise<readonly string[]> => {
    const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sealpost; echo "\${COMPREPLY[@]}"`;
    const { stdout } = await run('bash', ['-c', ask, 'bash', 'sealpost', ...words]);
    return stdout.trim().split(' ');
  };
  assert.deepEqual(await completed('ch'), ['check']);
  assert.deepEqual((await completed('')).slice(0, commands.length), commands);
  assert.deepEqual(await completed('queue', 're'), ['retry', 'remove']);
  assert.deepEqual(await completed('certificate', 'export', '--p'), ['--p12', '--password-file']);
});

for (const shell of ['zsh', 'fish']) {
  test(`completes every command in ${shell}`, async () => {
    const script = await sealpost('completion', shell);
    assert.deepEqual(
      commands.filter((name) => !new RegExp(`\\b${name}\\b`).test(script)),
      [],
    );
    assert.match(script, /password-file/);
  });
}

async function sealpost(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [CLI, ...args], { env: INHERITED });
  return stdout;
}
