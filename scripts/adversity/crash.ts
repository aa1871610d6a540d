/**
 * The command line of scripts/crash.
 */
import { parseArgs } from 'node:util';

import { crashRun } from './crash-run.ts';
import { isClean } from './ledger.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '300' },
    relays: { type: 'string', default: '1' },
    clients: { type: 'string', default: '8' },
    spool: { type: 'string', default: 'file' },
    seed: { type: 'string' },
  },
});
const result = await crashRun({
  kills: Number(values.kills),
  relays: Number(values.relays),
  clients: Number(values.clients),
  spool: values.spool,
  seed: values.seed === undefined ? undefined : Number(values.seed),
});
const { lost, contradicted, doubledWithoutNeed, ...counts } = result;
const lines = [
  ...Object.entries(counts).map(([name, count]) => `${name}: ${count}`),
  `lost: ${lost.length} ${lost.join(' ')}`,
  `refused and delivered: ${contradicted.length} ${contradicted.join(' ')}`,
  `doubled without need: ${doubledWithoutNeed.length} ${doubledWithoutNeed.join(' ')}`,
];
process.stdout.write(`${lines.join('\n')}\n`);
if (!isClean(result)) process.exitCode = 1;
