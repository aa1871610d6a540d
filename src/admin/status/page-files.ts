/**
 * The files that the status page is made of, as they are: nothing is built, and nothing comes from another host.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import type { Page, Pages } from '../page.ts';

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';

const OWN: readonly (readonly [path: string, file: string, contentType: string])[] = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/icon.svg', 'icon.svg', 'image/svg+xml'],
  ['/status.css', 'status.css', STYLE],
  ...['status', 'path', 'chart', 'list', 'story', 'elements', 'words'].map(
    (name) => [`/${name}.js`, `${name}.js`, SCRIPT] as const,
  ),
];

export function pageFiles(): Pages {
  const own = OWN.map(([path, file, contentType]) => {
    return [path, fileOf(new URL(`page/${file}`, import.meta.url), contentType)] as const;
  });
  return new Map([
    ...own,
    ['/uplot.js', fileOf(new URL(import.meta.resolve('uplot/dist/uPlot.iife.min.js')), SCRIPT)],
    ['/uplot.css', fileOf(new URL(import.meta.resolve('uplot/dist/uPlot.min.css')), STYLE)],
  ]);
}

function fileOf(url: URL, contentType: string): () => Promise<Page> {
  return async () => ({ status: 200, contentType, text: await readFile(fileURLToPath(url)) });
}
