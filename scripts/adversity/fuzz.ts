/**
 * Fuzzes for as long as it is told to; prints the seed first, and what breaks a promise as input for a vector.
 */
import { parseArgs } from 'node:util';

import { allTargets, shareOf } from '../../test/support/fuzz/all-targets.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const milliseconds = Number(values.seconds) * 1_000;
process.stdout.write(`seed ${seed}\n`);

await using cleanup = new AsyncDisposableStack();
const everything = await allTargets(cleanup);
const targets = everything.filter(({ name }) => values.only === undefined || name === values.only);
for (const target of targets) {
  try {
    const played = await target.fuzz(shareOf(target, milliseconds, targets), seed);
    process.stdout.write(`${target.name}: ${played} played\n`);
  } catch (error) {
    process.exitCode = 1;
    const { message, cause } = error instanceof Error ? error : new Error(String(error));
    process.stdout.write(`${target.name}: FOUND\n${message}\n${String(cause)}\n`);
  }
}
