/**
 * The command line of scripts/crash.
 */
import { parseArgs } from 'node:util';

import { crashRun, SPOOLS } from './crash-run.ts';
import { isClean } from './ledger.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '300' },
    relays: { type: 'string', default: '1' },
    clients: { type: 'string', default: '8' },
    spool: { type: 'string', default: 'file' },
    workers: { type: 'string' },
    seed: { type: 'string' },
    logs: { type: 'string' },
  },
});
const spool = SPOOLS.find((kind) => kind === values.spool);
if (spool === undefined) throw new Error(`--spool is one of ${SPOOLS.join(', ')}`);
const result = await crashRun({
  kills: Number(values.kills),
  relays: Number(values.relays),
  clients: Number(values.clients),
  spool,
  seed: values.seed === undefined ? undefined : Number(values.seed),
  logs: values.logs,
  variables: { SEALPOST_WORKERS: values.workers },
});
const { lost, contradicted, doubledWithoutNeed, mistakes, ...counts } = result;
const lines = [
  ...Object.entries(counts).map(([name, count]) => `${name}: ${count}`),
  `lost: ${lost.length} ${lost.join(' ')}`,
  `refused and delivered: ${contradicted.length} ${contradicted.join(' ')}`,
  `doubled without need: ${doubledWithoutNeed.length} ${doubledWithoutNeed.join(' ')}`,
  ...mistakes.map((mistake) => `mistake: ${mistake}`),
];
process.stdout.write(`${lines.join('\n')}\n`);
if (!isClean(result) || mistakes.length > 0) process.exitCode = 1;
