/**
 * What is wrong with one variable.
 */
import type { Problem } from './environment.ts';
import type { Container, Variable } from './variable.ts';

/** A variable whose `_FILE` twin has a problem is not reported once more as missing. */
export function faultOf(
  variable: Variable<unknown>,
  container: Container,
  unread: ReadonlySet<string>,
): readonly Problem[] {
  try {
    variable.read(container);
    return [];
  } catch (error) {
    if (unread.has(variable.name) && container[variable.name] === undefined) return [];
    return [{ variable: variable.name, text: problemText(error) }];
  }
}

/** env-var puts its own name and the variable's in front. */
function problemText(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^env-var: "[^"]*" /, '') : 'cannot be read';
}
