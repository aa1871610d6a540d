/**
 * The benchmark: see docs/benchmarks/README.md. Started by scripts/benchmark, which brings what it needs.
 */
import { mkdirSync } from 'node:fs';

import { WorkDirectory } from '../../test/support/peers/peer.ts';
import { TestAuthority } from '../../test/support/pki.ts';
import { ExitGuard } from './exit-guard.ts';
import { runGrowth } from './growth.ts';
import { parseOptions, type Options } from './options.ts';
import { writeReport } from './report.ts';
import { Results, type PeerVersion } from './results.ts';
import { runRounds } from './rounds.ts';
import { runSmoke } from './smoke.ts';
import type { PreparedPeer, Workshop } from './stage.ts';
import { compileTools } from './tools.ts';
import { trustingPeers } from './verification.ts';

/** The system that must not lose a message: a wrong count of another is shown and the run goes on. */
const OWN = 'sealpost';

const options = parseOptions(process.argv.slice(2));
// The guards of servers and namespaces do their work as soon as this process has ended.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
process.exitCode = await run();

async function run(): Promise<number> {
  if (options.mode === 'list') return list(options);
  if (options.mode === 'packages') return listPackages(options);
  using cleanup = new DisposableStack();
  const work = cleanup.use(new WorkDirectory('bench'));
  process.env['TMPDIR'] = work.path; // whatever is written from here on is in it
  const guard = new ExitGuard('sleep 2; rm -rf -- "$1"', work.path); // servers that are being stopped still write
  cleanup.defer(() => guard.cancel());
  const authority = cleanup.adopt(new TestAuthority(), (one) => one.remove());
  const workshop: Workshop = { work, authority, tools: compileTools(work) };
  const { peers, versions } = await prepare(options, cleanup);
  switch (options.mode) {
    case 'smoke':
      return await runSmoke(workshop, peers, say);
    case 'growth':
      return await runGrowth(options, workshop, peers, versions, say);
    case 'compare':
      return await compare(workshop, peers, versions);
  }
}

async function compare(
  workshop: Workshop,
  peers: readonly PreparedPeer[],
  versions: readonly PeerVersion[],
): Promise<number> {
  const { cases, rounds, seconds, outputDirectory } = options;
  const results = new Results();
  const began = new Date();
  const trusting = await trustingPeers(peers, workshop);
  if (trusting.length > 0) throw new Error(`delivered to a stranger: ${trusting.join(', ')}`);
  try {
    await runRounds({ cases, peers, rounds, seconds, say }, workshop, results);
  } finally {
    mkdirSync(outputDirectory, { recursive: true });
    writeReport({ results, versions, options, began, ended: new Date() });
    say(`written to ${outputDirectory}`);
  }
  const failed = cases.filter(({ name }) => results.failure(name, OWN) !== undefined);
  return failed.length === 0 ? 0 : 1;
}

async function prepare(
  { peers }: Options,
  cleanup: DisposableStack,
): Promise<{ readonly peers: readonly PreparedPeer[]; readonly versions: readonly PeerVersion[] }> {
  const ready: PreparedPeer[] = [];
  const versions: PeerVersion[] = [];
  for (const peer of peers) {
    const prepared = cleanup.use(new WorkDirectory(`bench-${peer.name}`));
    const { name, title } = peer;
    try {
      versions.push({ name, title, version: await peer.prepare(prepared) });
      ready.push({ peer, prepared });
    } catch (error) {
      const missing = error instanceof Error ? reason(error.message) : String(error);
      say(`${name} takes no part: ${missing}`);
      versions.push({ name, title, version: '', missing });
    }
  }
  return { peers: ready, versions };
}

/** The line that says most: npm puts its reason behind the command. */
function reason(message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => line.includes('notarget')) ?? lines[0] ?? '').slice(0, 200);
}

function list({ cases, peers }: Options): number {
  for (const { name, title } of [...cases, ...peers]) process.stdout.write(`${name.padEnd(20)} ${title}\n`);
  return 0;
}

function listPackages({ peers }: Options): number {
  for (const name of new Set(peers.flatMap(({ packages }) => packages))) process.stdout.write(`${name}\n`);
  return 0;
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}
