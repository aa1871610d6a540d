/**
 * The command line of scripts/load; writes docs/benchmarks/load.md.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { thisMachine } from '../bench/machine.ts';
import { ABUSES, loadRun, type Abuse, type Felt, type LoadResult } from './load-run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    only: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    output: { type: 'string', default: 'docs/benchmarks/load.md' },
  },
});
const variables = Object.fromEntries(
  values.set.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
);

const results: LoadResult[] = [];
for (const abuse of Object.keys(ABUSES).filter(isAbuse)) {
  if (values.only !== undefined && values.only !== abuse) continue;
  const result = await loadRun(abuse, Number(values.seconds), variables);
  process.stdout.write(`${row(result)}\n`);
  results.push(result);
}
writeFileSync(values.output, document());

function isAbuse(name: string): name is Abuse {
  return name in ABUSES;
}

function row({ abuse, before, during, residentBeforeMb, residentDuringMb, deeds }: LoadResult): string {
  const memory = `${Math.round(residentBeforeMb)} → ${Math.round(residentDuringMb)}`;
  const cells = [ABUSES[abuse], felt(before), felt(during), `${during.failed}`, memory, told(deeds)];
  return `| ${cells.join(' | ')} |`;
}

function felt({ medianMs, p99Ms, messages }: Felt): string {
  return `${medianMs.toFixed(1)} / ${p99Ms.toFixed(1)} (${messages})`;
}

function told(deeds: string): string {
  return deeds.replaceAll(/[{}"]/g, '').replaceAll(',', ', ').replaceAll(':', ' ');
}

function document(): string {
  const machine = Object.values(thisMachine()).join(' · ');
  const set = values.set.length === 0 ? 'default settings' : values.set.join(' ');
  return `# Abusive clients, and what honest ones feel of them

<!-- Written by \`scripts/load\`. -->

One honest client sends message after message, each over a connection of its own, ${values.seconds} seconds alone and ${values.seconds} seconds
beside the abuser. Abuser, upstream, relay and honest client are four processes that share the processors. On loopback no
client address has limits of its own, so this is the worst case. With \`guessers\` the honest client logs in for each
message. Memory is the relay's resident set in MB before the abuse and at its end.

${new Date().toISOString().slice(0, 10)} · ${machine} · ${set}

| abuse | honest alone: median / p99 ms (messages) | during it | failed | memory | what the abuser did |
| --- | --- | --- | --- | --- | --- |
${results.map(row).join('\n')}

Run it again with \`scripts/load [--seconds 20] [--only idle|scanner|drippers|guessers|recipients] [--set NAME=VALUE]\`.
`;
}
