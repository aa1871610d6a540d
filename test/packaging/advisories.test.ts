/**
 * The question for advisories about our packages, asked at a registry of the test's own.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/advisories', import.meta.url));

const ADVISORY = {
  id: 1,
  url: 'https://advisories.example.test/1',
  title: 'Something is wrong with it',
  severity: 'low',
  vulnerable_versions: '*',
  cwe: [],
  cvss: { score: 0 },
};

/** What the script says where a registry answers the question in this way. */
async function answerTo(status: number, advisories: object): Promise<{ code: number | null; said: string }> {
  const registry = createServer((request, response) => {
    const isAsked = request.url?.endsWith('/advisories/bulk') === true;
    request.resume();
    response.writeHead(isAsked ? status : 404).end(JSON.stringify(isAsked ? advisories : {}));
  }).listen(0, '127.0.0.1');
  await once(registry, 'listening');
  const address = registry.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const child = spawn(SCRIPT, {
    env: { ...process.env, npm_config_registry: `http://127.0.0.1:${port}/` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [said] = await Promise.all([text(child.stderr), once(child, 'close')]);
  registry.close();
  return { code: child.exitCode, said };
}

test('is content where no advisory is about our packages', async () => {
  const { code, said } = await answerTo(200, {});
  assert.match(said, /no advisory is about/);
  assert.equal(code, 0);
});

test('fails where an advisory is about one of them', async () => {
  const { code, said } = await answerTo(200, { winston: [ADVISORY] });
  assert.match(said, /there are advisories/);
  assert.equal(code, 1);
});

test('says so where the registry gives no verdict', async () => {
  const { code, said } = await answerTo(405, {});
  assert.match(said, /NO VERDICT/);
  assert.equal(code, 0);
});
