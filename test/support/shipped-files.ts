/**
 * The files for those who deploy, read as their tools read them.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { load } from 'js-yaml';

/** @param path from the root of the project */
export function shippedPath(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

export function shippedText(path: string): string {
  return readFileSync(shippedPath(path), 'utf8');
}

export function shippedYaml(path: string): unknown {
  return load(shippedText(path));
}

/** What is at a path of keys and indexes; undefined where there is nothing. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null
        ? Object.entries(inner).find(([name]) => name === String(key))?.[1]
        : undefined,
    value,
  );
}
