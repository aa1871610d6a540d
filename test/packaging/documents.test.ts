/**
 * The documents lead where they say.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { shippedPath, shippedText } from '../support/shipped-files.ts';

test('have no link to a file or a heading that is not there', () => {
  const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: shippedPath('.') });
  assert.ok(documents.length > 15);
  const broken = documents.flatMap((document) =>
    [...shippedText(document).matchAll(/\]\((?!https?:)([^)\s]*)\)/g)]
      .map(([, link = '']) => link)
      .filter((link) => !leadsSomewhere(document, link))
      .map((link) => `${document}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

function leadsSomewhere(document: string, link: string): boolean {
  const [file = '', heading] = link.split('#');
  const target = file === '' ? document : join(dirname(document), decodeURIComponent(file));
  if (!existsSync(shippedPath(target))) return false;
  return heading === undefined || headingsOf(shippedText(target)).includes(heading);
}

/** As they are named in links: lower case, without punctuation, hyphens for spaces. */
function headingsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
