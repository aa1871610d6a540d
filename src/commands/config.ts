/**
 * `sealpost config`: checks the variables and prints them as they count.
 */
import type { Settings } from '../config/settings.ts';
import { EXIT } from './exit.ts';

export function config({ shown, warnings }: Settings, out: NodeJS.WritableStream): number {
  for (const [name, text] of Object.entries(shown)) out.write(`${name}=${text}\n`);
  for (const { variable, text } of warnings) process.stderr.write(`sealpost: ${variable} ${text}\n`);
  return EXIT.ok;
}
