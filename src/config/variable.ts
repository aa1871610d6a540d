/**
 * What a variable of the table is, and the four kinds of them.
 */
import environment from 'env-var';

import { readers } from './readers.ts';

/** Variables by name: set, not empty, `_FILE` twins resolved. */
export type Container = Readonly<Record<string, string>>;

export interface Variable<T> {
  readonly name: string;
  /** What its text looks like. */
  readonly form: string;
  /** One sentence or two. */
  readonly meaning: string;
  /** As documented; undefined when there is none. */
  readonly fallback: string | undefined;
  /** What counts when it is not set. */
  readonly fallbackText: () => string | undefined;
  readonly isRequired: boolean;
  /** Never shown; `NAME_FILE` can name a file that holds it. */
  readonly isSecret: boolean;
  /** Whether `NAME_FILE` can name a file that holds it though it is no secret: it may have several lines. */
  readonly isLong: boolean;
  /** @throws {Error} that says what the text should be */
  readonly read: (container: Container) => T;
}

/** What is said of a variable. */
type Words = Pick<Variable<unknown>, 'form' | 'meaning'> & {
  readonly isSecret?: true;
  readonly isLong?: true;
};

type Present = ReturnType<typeof present>;
type Optional = ReturnType<typeof maybe>;

function maybe(container: Container, name: string) {
  return environment.from(container, readers).get(name);
}

function present(container: Container, name: string, fallback: string) {
  return maybe(container, name).default(fallback);
}

export function required<T>(name: string, words: Words, read: (variable: Present) => T): Variable<T> {
  const check = (container: Container): T => {
    if (container[name] === undefined) throw new Error('is required');
    return read(present(container, name, ''));
  };
  const none = { fallback: undefined, fallbackText: () => undefined };
  return { name, isSecret: false, isLong: false, ...words, ...none, isRequired: true, read: check };
}

/** With a default of its own. */
export function withDefault<T>(
  name: string,
  fallback: string,
  words: Words,
  read: (variable: Present) => T,
): Variable<T> {
  return computed(name, { shown: `\`${fallback}\``, text: () => fallback }, words, read);
}

/** With a default that depends on the machine. */
export function computed<T>(
  name: string,
  fallback: { readonly shown: string; readonly text: () => string },
  words: Words,
  read: (variable: Present) => T,
): Variable<T> {
  return {
    name,
    isSecret: false,
    isLong: false,
    ...words,
    fallback: fallback.shown,
    fallbackText: fallback.text,
    isRequired: false,
    // Not asked for in vain: an account without a home directory has no default for some.
    read: (container) => read(present(container, name, container[name] ?? fallback.text())),
  };
}

/** Whose value is undefined when it is not set. */
export function optional<T>(name: string, words: Words, read: (variable: Optional) => T): Variable<T> {
  return {
    name,
    isSecret: false,
    isLong: false,
    ...words,
    fallback: undefined,
    fallbackText: () => undefined,
    isRequired: false,
    read: (container) => read(maybe(container, name)),
  };
}
