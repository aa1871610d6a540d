/**
 * The command line of scripts/soak.
 */
import { parseArgs } from 'node:util';

import { isClean } from './ledger.ts';
import { soakRun } from './soak-run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3600' },
    clients: { type: 'string', default: '8' },
    spool: { type: 'boolean', default: false },
    seed: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const result = await soakRun({
  seconds: Number(values.seconds),
  clients: Number(values.clients),
  spool: values.spool,
  seed: values.seed === undefined ? undefined : Number(values.seed),
  say,
});
const { summary, faults, lost, contradicted, doubledWithoutNeed, ...counts } = result;
for (const line of summary) say(line);
say(
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', '),
);
say(
  `lost ${lost.length}, refused and delivered ${contradicted.length}, doubled without need ${doubledWithoutNeed.length}`,
);
for (const fault of faults) say(`NOT FLAT: ${fault}`);
if (faults.length > 0 || !isClean(result)) process.exitCode = 1;
