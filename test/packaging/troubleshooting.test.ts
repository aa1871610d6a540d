/**
 * The page that explains replies, against the sources that make them.
 */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';

import { VARIABLES } from '../../src/config/table.ts';
import { shippedPath, shippedText } from '../support/shipped-files.ts';

/** On one line, without what Markdown needs. */
const page = shippedText('docs/TROUBLESHOOTING.md').replaceAll(/\s+/g, ' ').replaceAll('\\_', '_');

/** Where the texts of replies stand. */
const SOURCES = ['src/relay/*.ts', 'src/listener/*.ts', 'src/upstream/{hop-supply,pool,pace}.ts'];
/** Replies that need no explanation: nothing is wrong. */
const SUCCESSES = /^(?:Sender ok|Recipient ok|Authentication successful|End data with)/;

const COMMENTS = /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm;
const LITERALS = /'((?:[^'\\\n]|\\.)+)'|"((?:[^"\\\n]|\\.)+)"|`((?:[^`\\]|\\.)+)`/g;

for (const file of SOURCES.flatMap((pattern) => globSync(pattern, { cwd: shippedPath('.') }))) {
  const sentences = sentencesOf(shippedText(file));
  if (sentences.length === 0) continue;
  test(`explains every reply of ${file}`, () => {
    assert.deepEqual(
      sentences.filter((sentence) => !page.includes(`**${sentence}**`)),
      [],
    );
  });
}

test('explains no reply that there is not', () => {
  const source = SOURCES.flatMap((pattern) => globSync(pattern, { cwd: shippedPath('.') }));
  const sentences = new Set(source.flatMap((file) => sentencesOf(shippedText(file))));
  const explained = [...page.matchAll(/\*\*([A-Z][^*]+ [^*]+)\*\*/g)].map(([, text]) => text ?? '');
  assert.ok(explained.length > 100);
  assert.deepEqual(
    explained.filter((text) => !sentences.has(text)),
    [],
  );
});

test('names only variables that there are', () => {
  const names = new Set(VARIABLES.flatMap(({ name }) => [name, `${name}_FILE`]));
  const named = [...page.matchAll(/SEALPOST_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])/g)].map(([name]) => name);
  assert.deepEqual(
    named.filter((name) => !names.has(name)),
    [],
  );
});

/** String literals that begin like a sentence; what is put into them is `…`. */
function sentencesOf(source: string): readonly string[] {
  return [...source.replaceAll(COMMENTS, '').matchAll(LITERALS)]
    .map(([, single, double, template]) => single ?? double ?? template ?? '')
    .map((text) => text.replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…'))
    .filter((text) => /^[A-Z][^]*[a-z] [a-zA-Z…]/.test(text) && !SUCCESSES.test(text));
}
