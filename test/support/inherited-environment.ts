/**
 * What a program under test gets of the environment of the tests: where programs are, and where Node keeps what it has
 * compiled (`scripts/test` says; without it each start compiles all of `src` again).
 *
 * Does not: pass on anything that Sealpost reads.
 */
const NAMES = ['PATH', 'NODE_COMPILE_CACHE'];

export const INHERITED: Readonly<Record<string, string>> = Object.fromEntries(
  NAMES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);
