/**
 * Exit codes, after sysexits.h, and how problems with variables are told.
 */
import type { Problem } from '../config/environment.ts';

export const EXIT = { ok: 0, usage: 64, unavailable: 69, software: 70, ioError: 74, config: 78 } as const;

/** One line each on standard error. @returns EX_CONFIG */
export function printProblems(problems: readonly Problem[]): number {
  for (const { variable, text } of problems) process.stderr.write(`sealpost: ${variable} ${text}\n`);
  return EXIT.config;
}
