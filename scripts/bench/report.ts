/**
 * Writes what was measured: a table for people, all numbers as JSON, bars as SVG.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { barChart, type Bar } from './bar-chart.ts';
import type { Case } from './cases.ts';
import { thisMachine } from './machine.ts';
import type { Options } from './options.ts';
import { FIGURES, type Figure, type PeerVersion, type Results, type Spread } from './results.ts';
import { shortNumber } from './rounds.ts';
import { judge } from './targets.ts';

const PRETTIER = fileURLToPath(new URL('../../node_modules/.bin/prettier', import.meta.url));

export interface Report {
  readonly results: Results;
  readonly versions: readonly PeerVersion[];
  readonly options: Options;
  readonly began: Date;
  readonly ended: Date;
}

export function writeReport(report: Report): void {
  const { results, versions, options, began, ended } = report;
  const at = (name: string): string => join(options.outputDirectory, name);
  const { rounds, seconds } = options;
  const when = { began: began.toISOString(), ended: ended.toISOString(), rounds, seconds };
  const everything = { machine: thisMachine(), ...when, versions, outcomes: results.outcomes };
  writeFileSync(at('results.json'), JSON.stringify(everything));
  const charts = options.cases.flatMap((one) => chartOf(one, report, at));
  writeFileSync(at('results.md'), document(report, charts));
  inProjectFormat(at('results.json'), at('results.md'));
}

/** As `npm run check` wants it. */
export function inProjectFormat(...paths: readonly string[]): void {
  execFileSync(PRETTIER, ['--write', '--log-level=warn', ...paths], { stdio: 'inherit' });
}

/** What a run of any kind tells about itself. */
export function describeRun(began: Date, ended: Date, versions: readonly PeerVersion[]): string {
  const { processors, memory, system, kernel, node, openssl } = thisMachine();
  const rows = versions.map(({ title, version, missing }) =>
    missing === undefined ? `| ${title} | ${version} |` : `| ${title} | took no part: ${cell(missing)} |`,
  );
  return `${began.toISOString().slice(0, 16).replace('T', ' ')} UTC, ${Math.round((ended.getTime() - began.getTime()) / 60_000)} minutes.
${processors}, ${memory}, ${system}, ${kernel}, Node ${node}, its OpenSSL ${openssl}.

| system | version |
| --- | --- |
${rows.join('\n')}
`;
}

function document({ results, versions, options, began, ended }: Report, charts: readonly string[]): string {
  return `# Results

<!-- Written by scripts/benchmark. How to read and repeat it: README.md -->

${describeRun(began, ended, versions)}
${options.rounds} rounds; medians, and the lowest and highest round in brackets.

## What it must show

| case | what | wanted | goal | measured | verdict |
| --- | --- | --- | --- | --- | --- |
${judge(results)
  .map((one) =>
    row(one.case, one.what, one.wanted, one.goal, spreadText(one.measured), VERDICT_TEXT[one.verdict]),
  )
  .join('\n')}

That every promise of docs/DESIGN.md holds meanwhile is shown by the tests and not here.

${charts.map((file) => `![${file.replace('.svg', '')}](${file})`).join('\n')}

## All cases
${options.cases.map((one) => caseSection(one, results, versions)).join('\n')}`;
}

const VERDICT_TEXT = {
  goal: '**goal reached**',
  reached: 'reached',
  'not reached': '**not reached**',
  'not measured': 'not measured',
} as const;

function caseSection(one: Case, results: Results, versions: readonly PeerVersion[]): string {
  const rowsOf = versions.filter(({ name }) =>
    results.outcomes.some((outcome) => outcome.case === one.name && outcome.peer === name),
  );
  const figures = figuresOf(one).filter((figure) =>
    rowsOf.some(({ name }) => results.spread(one.name, name, figure) !== undefined),
  );
  const rows = rowsOf.map(({ name, title }) => {
    const failure = results.failure(one.name, name);
    const cells = figures.map((figure) => spreadText(results.spread(one.name, name, figure)));
    return row(title, ...(failure === undefined ? cells : [`**failed:** ${failure}`, ...cells.slice(1)]));
  });
  return `
### ${one.name}: ${one.title}

${row('system', ...figures.map((figure) => FIGURES[figure]))}
${row('---', ...figures.map(() => '---'))}
${rows.join('\n')}
`;
}

function figuresOf(one: Case): readonly Figure[] {
  if (one.kind === 'idle') return ['idleHeld', 'idleKilobytes', 'p50', 'p99', 'idleP50'];
  const cost = ['cpuPerThousand', 'handshakes', 'commands', 'flights', 'growth'] as const;
  if (one.stage.roundTripMs > 0) return ['roundTrips', 'p50', 'p99', 'handshakes', 'commands', 'flights'];
  if (one.load.pauseMs !== undefined) return ['p50', 'p99', ...cost];
  return ['rate', 'megabytes', 'p50', 'p99', 'cpuPerGigabyte', ...cost];
}

/** @returns the file's name, if there is something to draw */
function chartOf(one: Case, { results, versions }: Report, at: (name: string) => string): readonly string[] {
  const figure = figuresOf(one).find((candidate) => candidate !== 'rate' || !one.name.startsWith('bulk'));
  if (figure === undefined) return [];
  const shown = one.kind === 'idle' ? 'idleKilobytes' : figure;
  const bars: readonly Bar[] = versions.flatMap(({ name, title }) => {
    const value = results.spread(one.name, name, shown);
    return value === undefined ? [] : [{ label: title, isOwn: name === 'sealpost', ...value }];
  });
  if (bars.length < 2) return [];
  const file = `${one.name}.svg`;
  writeFileSync(at(file), barChart(`${one.title}: ${FIGURES[shown]}`, bars));
  return [file];
}

function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return '';
  const { median, min, max } = spread;
  const text = shortNumber(median);
  return min === max ? text : `${text} (${shortNumber(min)}–${shortNumber(max)})`;
}

export function row(...cells: readonly string[]): string {
  return `| ${cells.map(cell).join(' | ')} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}
