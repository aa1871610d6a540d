/**
 * What came of a scene, held against what must hold.
 */
import type { LogLine } from './relay-child.ts';
import type { Stage } from './stage.ts';

/** How a scene ended. */
export interface SceneResult {
  readonly title: string;
  /** In a few words. */
  readonly result: string;
  /** What was not as it must be; empty when all was. */
  readonly problems: readonly string[];
}

export interface Check {
  readonly text: string;
  readonly holds: boolean;
}

/** Tells each check, and the result in a few words. */
export function judge(stage: Stage, title: string, result: string, checks: readonly Check[]): SceneResult {
  stage.narrator.heading('What must hold');
  for (const { text, holds } of checks) stage.narrator.check(text, holds);
  const problems = checks.filter(({ holds }) => !holds).map(({ text }) => text);
  const word = problems.length === 0 ? result : 'NOT as it must be';
  stage.narrator.result(word, problems.length === 0);
  return { title, result: word, problems };
}

/** A text in a line of the relay's log. */
export function field(line: LogLine | undefined, name: string): string {
  const value = line?.[name];
  return typeof value === 'string' ? value : 'unknown';
}
