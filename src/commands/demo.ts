/**
 * `sealpost demo`: a delivery, three attacks and a provider without passwords, on loopback, with no configuration.
 *
 * Guarantees: exit code 0 only if all of them ended as they must; no process, socket or file is left behind, on Ctrl-C
 * neither.
 */
import { basename, dirname, extname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';

import type { SceneResult } from '../sandbox/demo/judgement.ts';
import { Narrator } from '../sandbox/demo/narrator.ts';
import { RelayEnded } from '../sandbox/demo/relay-child.ts';
import { SCENES } from '../sandbox/demo/scenes.ts';
import { openStage } from '../sandbox/demo/stage.ts';
import { isUsageError } from './usage-error.ts';

export const USAGE = `Usage: sealpost demo

Shows the relay at work, on loopback, in a temporary directory, with no configuration: a delivery, three attacks that
are refused, and a login by token.

Exit code
   0  all of it ended as it must
   1  something did not; it says what
  64  this command line cannot be understood
`;

/** Far more than it takes; a demo that hangs must say so. */
const MAX_MS = 60_000;
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const INTRODUCTION =
  'A legacy client, the relay, an upstream mail server, and attackers between them: all of ' +
  'it real, on this machine, on loopback only, in a temporary directory that is removed at the end.';

/**
 * @param cli the program whose `serve` is the relay
 * @returns the exit code
 */
export async function demo(
  args: readonly string[],
  out: NodeJS.WritableStream,
  cli = ownProgram(),
): Promise<number> {
  try {
    parseArgs({ args: [...args], options: {} });
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`sealpost demo: ${error.message}\n\n${USAGE}`);
    return 64;
  }
  return untilInterrupted(async (signal) => perform(new Narrator(out), cli, signal));
}

async function perform(narrator: Narrator, cli: string, signal: AbortSignal): Promise<number> {
  narrator.line('Sealpost demo', 'bold');
  narrator.line();
  narrator.paragraph(INTRODUCTION);
  await using stage = await openStage(cli, narrator, signal);
  const results: SceneResult[] = [];
  for (const [index, scene] of SCENES.entries()) results.push(await scene(stage, index + 1));
  return sumUp(narrator, results);
}

function sumUp(narrator: Narrator, results: readonly SceneResult[]): number {
  narrator.section('The five results');
  for (const [index, { title, result, problems }] of results.entries()) {
    narrator.check(`${index + 1}  ${title.padEnd(45)} ${result}`, problems.length === 0);
  }
  const problems = results.flatMap((one) => one.problems.map((problem) => `${one.title}: ${problem}`));
  if (problems.length > 0) {
    narrator.heading('Different from what it must be');
    for (const problem of problems) narrator.check(problem, false);
    return 1;
  }
  narrator.heading('Go on with your own upstream: start the relay with');
  narrator.line('  SEALPOST_UPSTREAM=smtps://user:password@smtp.example.com \\');
  narrator.line(`    ${serveCommand()}`);
  narrator.heading('and point your client at it');
  narrator.line('  localhost, port 2525, no encryption, no password');
  return 0;
}

/**
 * Runs a task that undoes everything when its signal is aborted, and aborts it on Ctrl-C, SIGTERM, SIGHUP or when it
 * takes too long.
 *
 * @returns its exit code, or that of the interruption
 */
async function untilInterrupted(task: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const interruption = new AbortController();
  let interrupted = 1;
  const onSignal = (signal: keyof typeof SIGNAL_EXIT): void => {
    interrupted = SIGNAL_EXIT[signal];
    interruption.abort();
  };
  const timer = setTimeout(() => {
    process.stderr.write(`sealpost demo: not finished after ${MAX_MS / 1000} seconds\n`);
    interruption.abort();
  }, MAX_MS);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  try {
    return await task(interruption.signal);
  } catch (error) {
    if (interruption.signal.aborted) return interrupted;
    if (!(error instanceof RelayEnded)) throw error;
    process.stderr.write(`sealpost demo: ${error.message}\n`);
    return 1;
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
  }
}

/** This package's own program: TypeScript in a checkout, JavaScript where it was built. */
function ownProgram(): string {
  return join(dirname(import.meta.dirname), `cli${extname(import.meta.filename)}`);
}

/** How to start this very program from the current directory. */
function serveCommand(): string {
  const called = process.argv[1] ?? '';
  // Not npx for a program that is installed for all: from there it would look for one in the registry.
  if (basename(called) === 'sealpost') return `${isInProject(called) ? 'npx ' : ''}sealpost serve`;
  const cli = ownProgram();
  const checkout = dirname(dirname(cli));
  const node = process.execPath.startsWith(checkout) ? shortest(process.execPath) : 'node';
  return `${node} ${shortest(cli)} serve`;
}

/** `node_modules/.bin` is in nobody's PATH. */
function isInProject(program: string): boolean {
  return basename(dirname(program)) === '.bin';
}

function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith('..') ? path : fromHere;
}
