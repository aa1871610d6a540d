/**
 * `sealpost audit`: whether the audit trail is whole.
 */
import { parseArgs } from 'node:util';

import { rotatedFrom } from '../audit/file-tail.ts';
import { firstSeq, verify, type Verdict } from '../audit/verify.ts';
import { loadAuditFile } from '../config/audit-place.ts';
import { errorCode } from '../protocol/error-code.ts';
import { EXIT, printProblems } from './exit.ts';
import { isUsageError, UsageError } from './usage-error.ts';

export const USAGE = `Usage: sealpost audit verify [--head HASH] [FILE…]

Reads the audit trail and tells of every line that was changed, removed, added or put elsewhere.
Without FILE: SEALPOST_AUDIT_FILE, and what it was rotated to; what was compressed has to be unpacked first.

--head HASH  also tells whether the line with this hash is there

The end of a trail cannot vouch for itself: lines cut off there, or a trail written anew from some
line on by somebody who can write the file, show only against a head that was kept elsewhere. The
last line of the output has the head; the log has one at every start, rotation and stop. Nor can its
beginning: old files may be removed. The output tells where the numbers begin; a whole trail begins
at 1.

Exit code
   0  nothing is wrong
   1  something is, and was told
  64  this command line cannot be understood
  69  a file cannot be read
  78  a variable is wrong or missing
`;

const BROKEN = 1;

/** @returns the exit code: 0, 1, 64, 69, 78 */
export async function audit(args: readonly string[], out: NodeJS.WritableStream): Promise<number> {
  try {
    const options = {
      head: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    } as const;
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    if (values.help) {
      out.write(USAGE);
      return EXIT.ok;
    }
    const [verb, ...files] = positionals;
    if (verb !== 'verify')
      throw new UsageError(verb === undefined ? 'what of it?' : `"${verb}" is not verify`);
    return await verifyAll(files, values.head?.toLowerCase(), out);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`sealpost audit: ${error.message}\n\n${USAGE}`);
    return EXIT.usage;
  }
}

async function verifyAll(
  named: readonly string[],
  witness: string | undefined,
  out: NodeJS.WritableStream,
): Promise<number> {
  const configured = named.length > 0 ? undefined : loadAuditFile();
  if (configured !== undefined && 'problems' in configured) return printProblems(configured.problems);
  try {
    const files = async (): Promise<readonly string[]> =>
      configured === undefined ? named : filesOf(configured.file);
    return tell(await verdictOn(files, witness), witness, out);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const path = error instanceof Error && 'path' in error ? String(error.path) : 'a file';
    process.stderr.write(`sealpost audit: ${path} cannot be read (${code})\n`);
    return EXIT.unavailable;
  }
}

/** Where a relay has rotated them meanwhile, those of now. */
async function verdictOn(
  files: () => Promise<readonly string[]>,
  witness: string | undefined,
): Promise<Verdict> {
  for (;;) {
    const now = await files();
    const verdict = await verify(await inOrder(now), witness);
    if (isWhole(verdict, witness) || String(now) === String(await files())) return verdict;
  }
}

async function filesOf(file: string): Promise<readonly string[]> {
  return [...(await rotatedFrom(file)).toSorted(), file];
}

/** By the number of their first line. */
async function inOrder(files: readonly string[]): Promise<readonly string[]> {
  const numbered = await Promise.all(files.map(async (file) => ({ file, first: await firstSeq(file) })));
  return numbered.toSorted((a, b) => a.first - b.first).map(({ file }) => file);
}

function isWhole({ faults, hasWitness }: Verdict, witness: string | undefined): boolean {
  return faults.length === 0 && (witness === undefined || hasWitness);
}

function tell(verdict: Verdict, witness: string | undefined, out: NodeJS.WritableStream): number {
  const { faults, unended, lines, first = 1, head, hasWitness } = verdict;
  for (const { file, line, text } of [...faults, ...unended]) out.write(`${file}:${line} ${text}\n`);
  if (witness !== undefined && !hasWitness) out.write(`the line with the hash ${witness} is not there\n`);
  const range = head === undefined ? '' : `, numbers ${first} to ${head.seq}`;
  const missing = first > 1 ? '; what came before is not here' : '';
  const isGood = isWhole(verdict, witness);
  out.write(`${lines} lines${range}${missing}: ${isGood ? 'nothing is wrong' : 'BROKEN'}\n`);
  if (head !== undefined) out.write(`head ${head.seq} ${head.hash}\n`);
  return isGood ? EXIT.ok : BROKEN;
}
