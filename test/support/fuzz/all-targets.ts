/**
 * Everything that is fuzzed, and how long each part of it gets.
 */
import { readdirSync, readFileSync } from 'node:fs';

import { ANSWER_TARGETS, httpsTarget } from './answer-targets.ts';
import { clientSide } from './client-side.ts';
import { PARSER_TARGETS } from './parser-targets.ts';
import type { FuzzTarget } from './target.ts';
import { upstreamSide } from './upstream-side.ts';

export interface Vector {
  readonly file: string;
  readonly target: string;
  readonly why: string;
  readonly input: unknown;
}

/** @param cleanup gets the processes and servers that some targets need */
export async function allTargets(cleanup: AsyncDisposableStack): Promise<readonly FuzzTarget[]> {
  const [clients, upstreams, https] = await Promise.all([
    clientSide(cleanup),
    upstreamSide(cleanup),
    httpsTarget(cleanup),
  ]);
  return [...PARSER_TARGETS, ...ANSWER_TARGETS, https, ...clients, ...upstreams];
}

/** How long a target is fuzzed: whole sessions take longer than parsers to say something new. */
export function shareOf(target: FuzzTarget, totalMs: number, targets: readonly FuzzTarget[]): number {
  const all = targets.reduce((sum, one) => sum + weightOf(one), 0);
  return (totalMs * weightOf(target)) / all;
}

function weightOf({ name }: FuzzTarget): number {
  return /^(?:client|upstream)/.test(name) ? 6 : 1;
}

const VECTORS = new URL('../../vectors/', import.meta.url);

/** What fuzzing has found, and what must never come back. */
export function readVectors(): readonly Vector[] {
  return readdirSync(VECTORS)
    .filter((file) => file.endsWith('.json'))
    .map((file) => readVector(file));
}

function readVector(file: string): Vector {
  const value: unknown = JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8'));
  if (typeof value !== 'object' || value === null) throw new TypeError(`${file} is no vector`);
  const { target, why, input }: Record<string, unknown> = Object.fromEntries(Object.entries(value));
  if (typeof target !== 'string' || typeof why !== 'string')
    throw new TypeError(`${file} lacks target or why`);
  return { file, target, why, input };
}
