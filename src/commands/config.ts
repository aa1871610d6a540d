/**
 * `sealpost config`: checks the variables and prints them as they count.
 */
import type { Settings } from '../config/settings.ts';
import { EXIT } from './exit.ts';

export const USAGE = `Usage: sealpost config

Checks the SEALPOST_ variables and prints them as they count, with what is not set at its default and secrets hidden.
What is wrong is told on standard error, a line for each problem, which begins with the variable to change.

Exit code
   0  serve would take these variables
  78  a variable is wrong or missing
`;

export function config({ shown, warnings }: Settings, out: NodeJS.WritableStream): number {
  for (const [name, text] of Object.entries(shown)) out.write(`${name}=${text}\n`);
  for (const { variable, text } of warnings) process.stderr.write(`sealpost: ${variable} ${text}\n`);
  return EXIT.ok;
}
