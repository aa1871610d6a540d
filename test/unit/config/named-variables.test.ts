/**
 * Variables that documents and replies name: a reader who sets one must not be told that it does not exist.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import { upstreamVariables } from '../../../src/config/named-upstream-variables.ts';
import { VARIABLES } from '../../../src/config/table.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NAMED = 'SEALPOST_UPSTREAM_NAME';

/** What Kubernetes injects, what the compose file asks of its own reader, and beginnings that stand for many. */
const NO_VARIABLES = new Set([
  'SEALPOST_SERVICE',
  'SEALPOST_IMAGE',
  'SEALPOST_PASSWORD_FILE',
  'SEALPOST_PORT',
  'SEALPOST',
  'SEALPOST_OAUTH',
  `${NAMED}_OAUTH`,
  NAMED,
]);

const known = new Set(
  [...VARIABLES, ...Object.values(upstreamVariables('NAME'))].flatMap(({ name, isSecret, isLong }) =>
    isSecret || isLong ? [name, `${name}_FILE`] : [name],
  ),
);

/** An upstream's own variables count under whatever name it has. */
function common(name: string): string {
  const own =
    /^SEALPOST_UPSTREAM_[A-Z0-9]+(_(?:(?:URL|USER|PASSWORD|AUTH|CA|PIN|SERVER|PROVIDER)(?:_[A-Z0-9]+)*|OAUTH_[A-Z0-9_]+))$/.exec(
      name,
    );
  const rest = own?.[1];
  return rest === undefined || known.has(name) ? name : NAMED + rest;
}

function unknownIn(text: string): readonly string[] {
  const named = text.replaceAll(/<NAME>|\$\{NAME\}/g, 'NAME').matchAll(/\bSEALPOST(?:_[A-Z0-9]+)+/g);
  return [...named]
    .map(([name]) => common(name))
    .filter((name) => !known.has(name) && !NO_VARIABLES.has(name));
}

for (const pattern of ['*.md', 'docs/**/*.md', 'docker-compose.yml', 'packaging/**/*', 'src/**/*.ts']) {
  test(`names no variable in ${pattern} that does not exist`, () => {
    const files = globSync(pattern, { cwd: ROOT, withFileTypes: true }).filter((file) => file.isFile());
    const wrong = files.flatMap(({ parentPath, name }) => {
      const file = `${parentPath}/${name}`;
      return unknownIn(readFileSync(file, 'utf8')).map(
        (variable) => `${file.slice(ROOT.length)}: ${variable}`,
      );
    });
    assert.deepEqual(wrong, []);
  });
}

test('would notice one', () => {
  assert.deepEqual(unknownIn('set SEALPOST_UPSTREM, SEALPOST_UPSTREAM_MS_URLS or SEALPOST_LISTEN'), [
    'SEALPOST_UPSTREM',
    'SEALPOST_UPSTREAM_MS_URLS',
  ]);
});
