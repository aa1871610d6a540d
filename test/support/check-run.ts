/**
 * One run of `sealpost check`, in a process of its own: exit code, what it printed where, and how long it took.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { Diagnosis, PortFinding, UpstreamFinding, Verdict } from '../../src/diagnosis/findings.ts';
import { canaryIn } from './hostile-canary.ts';
import { INHERITED } from './inherited-environment.ts';
import type { Variables } from './relay-process.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface CheckRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** Whatever the run, no canary may be in what it prints. */
export async function runCheck(args: readonly string[], variables: Variables = {}): Promise<CheckRun> {
  const env: Record<string, string> = { ...INHERITED };
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) env[name] = value;
  const began = performance.now();
  const child = spawn(process.execPath, [CLI, 'check', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (octets: Buffer) => (stdout += octets.toString()));
  child.stderr.on('data', (octets: Buffer) => (stderr += octets.toString()));
  await once(child, 'close');
  const ms = performance.now() - began;
  assert.equal(canaryIn(stdout + stderr), undefined, `a secret is in the output:\n${stdout}${stderr}`);
  return { code: child.exitCode, stdout, stderr, ms };
}

export interface Checked extends CheckRun {
  readonly diagnosis: Diagnosis;
  readonly upstream: UpstreamFinding;
  readonly port: PortFinding;
}

/** The same with `--json`, read; with the first upstream and its first port at hand. */
export async function checkAsJson(args: readonly string[], variables: Variables = {}): Promise<Checked> {
  const run = await runCheck(['--json', ...args], variables);
  const diagnosis = read(run);
  const [upstream] = diagnosis.upstreams;
  const [port] = upstream?.ports ?? [];
  assert.ok(upstream !== undefined && port !== undefined, run.stdout);
  return { ...run, diagnosis, upstream, port };
}

export function read({ stdout, stderr }: CheckRun): Diagnosis {
  const document: unknown = JSON.parse(stdout);
  if (!isDiagnosis(document)) throw new Error(`not a diagnosis:\n${stdout}${stderr}`);
  return document;
}

/** Its members are what the tests look at, one by one. */
function isDiagnosis(document: unknown): document is Diagnosis {
  return typeof document === 'object' && document !== null && 'upstreams' in document;
}

/** The word with which its line begins in the text; a verdict has one that fits its outcome. */
export function wordOf(verdict: Verdict | undefined): string | undefined {
  if (verdict === undefined) return undefined;
  const { outcome, resultType, failure } = verdict;
  assert.equal(resultType !== undefined, outcome === 'insecure', JSON.stringify(verdict));
  assert.equal(failure !== undefined, outcome === 'refused', JSON.stringify(verdict));
  return resultType ?? failure ?? outcome;
}
