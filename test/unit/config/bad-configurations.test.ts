/**
 * Every file of test/configs is a configuration that must be refused, for the reason it names.
 *
 * A case: `name`; `variables`, where `{dir}` is a directory with the `files`; `problems`, the variables that the lines on
 * standard error have to name, all of them; `secrets`, what must not be printed.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { runSealpost } from '../../support/relay-process.ts';

const EX_CONFIG = 78;
const CASES = fileURLToPath(new URL('../../configs/', import.meta.url));

interface Case {
  readonly name: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
  readonly secrets: readonly string[];
}

suite('refuses to start, exit code 78, with', { concurrency: 2, timeout: 240_000 }, () => {
  for (const file of readdirSync(CASES).toSorted()) {
    const one = readCase(file);
    test(`${one.name} (${file})`, async () => assertRefused(one));
  }
});

async function assertRefused(one: Case): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'sealpost-config-'));
  for (const [name, text] of Object.entries(one.files))
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  const variables = Object.entries(one.variables).map(([name, value]) => [
    name,
    value.replaceAll('{dir}', directory),
  ]);
  const run = runSealpost(['serve'], {
    SEALPOST_HOSTNAME: 'relay.example.test',
    SEALPOST_LISTEN: '127.0.0.1:0',
    ...Object.fromEntries(variables),
  });
  let stderr = '';
  run.child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const stuck = setTimeout(() => run.child.kill('SIGKILL'), 10_000); // a configuration that was taken serves on
  await once(run.child, 'close');
  clearTimeout(stuck);
  rmSync(directory, { recursive: true });
  assert.equal(run.child.exitCode, EX_CONFIG, run.output);
  const lines = stderr.split('\n');
  for (const problem of one.problems) {
    const naming = new RegExp(String.raw`\b${problem}\b`);
    assert.ok(
      lines.some((line) => naming.test(line)),
      `no line names ${problem}:\n${stderr}`,
    );
  }
  for (const secret of one.secrets) assert.ok(!run.output.includes(secret), 'no secret is printed');
  assert.doesNotMatch(stderr, /^\s+at .*[(:]\d+/m, 'no stack trace');
  assert.ok(!run.log.some((line) => line.event === 'listener.started'));
}

function readCase(file: string): Case {
  const fields = entries(JSON.parse(readFileSync(join(CASES, file), 'utf8')));
  for (const key of Object.keys(fields)) {
    if (!['name', 'variables', 'files', 'problems', 'secrets'].includes(key))
      throw new Error(`${file}: unknown ${key}`);
  }
  return {
    name: String(fields['name']),
    variables: strings(fields['variables']),
    files: strings(fields['files'] ?? {}),
    problems: Object.values(strings(fields['problems'])),
    secrets: Object.values(strings(fields['secrets'] ?? [])),
  };
}

function entries(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new TypeError('not an object');
  return Object.fromEntries(Object.entries(value));
}

function strings(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(entries(value)).map(([key, text]) => [key, String(text)]));
}
