/**
 * Writes the manual pages, man/sealpost.1 and man/sealpost-sendmail.1, from what the commands tell with --help and from the
 * table of variables.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { VARIABLES } from '../src/config/table.ts';
import type { Variable } from '../src/config/variable.ts';
import { packageVersion } from '../src/config/version.ts';
import { HELP } from '../src/sendmail/help.ts';

const DIRECTORY = new URL('../man/', import.meta.url);
const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

const overview = [...help().matchAll(/^([a-z-]+) {2,}(\S.*)$/gm)];
const commands = overview.map(([, name = '', summary = '']) => ({ name, summary, usage: help(name) }));

const BESIDE =
  'Passwords, tokens and rules can also be given in a file, which the variable with _FILE behind its name then names. ' +
  'docs/CONFIGURATION.md of the package has those of several upstreams too, and the OTEL_ variables for traces.';

mkdirSync(DIRECTORY, { recursive: true });
writeFileSync(new URL('sealpost.1', DIRECTORY), sealpost());
writeFileSync(new URL('sealpost-sendmail.1', DIRECTORY), sealpostSendmail());

function sealpost(): string {
  return [
    title('SEALPOST'),
    section('NAME', plain('sealpost - submission proxy: plain SMTP in, verified TLS out')),
    section('SYNOPSIS', '.B sealpost\n.I COMMAND'),
    section(
      'DESCRIPTION',
      plain(
        'Takes mail in plain SMTP on localhost and hands each message to a submission server inside TLS that has been ' +
          'verified, or refuses it and says what to fix. It is configured by environment variables and by nothing else.',
      ),
    ),
    section('COMMANDS', commands.map(({ name, usage }) => `.SS ${name}\n${verbatim(usage)}`).join('\n')),
    section('ENVIRONMENT', [plain(BESIDE), ...VARIABLES.map(variable)].join('\n')),
    section('SEE ALSO', '.BR sealpost-sendmail (1)'),
  ].join('\n');
}

function sealpostSendmail(): string {
  return [
    title('SEALPOST-SENDMAIL'),
    section('NAME', plain('sealpost-sendmail - hand a message to the relay, as sendmail does')),
    section('DESCRIPTION', verbatim(HELP)),
    section('SEE ALSO', '.BR sealpost (1)'),
  ].join('\n');
}

function help(...command: readonly string[]): string {
  return execFileSync(process.execPath, [CLI, ...command, '--help'], { encoding: 'utf8' });
}

function title(name: string): string {
  return `.TH ${name} 1 "" "Sealpost ${packageVersion()}" "User Commands"`;
}

function section(heading: string, content: string): string {
  return `.SH ${heading}\n${content}`;
}

function variable({ name, form, fallback, isRequired, meaning }: Variable<unknown>): string {
  const what = `${form}; ${isRequired ? 'required' : `by default ${fallback ?? 'none'}`}.`;
  return `.TP\n.B ${name}\n${plain(`${meaning} (${what})`.replaceAll('`', ''))}`;
}

function verbatim(text: string): string {
  return `.nf\n${text.trimEnd().split('\n').map(plain).join('\n')}\n.fi`;
}

/** One line of text: roff gives a meaning to backslashes, hyphens, and dots and quotes at its beginning. */
function plain(line: string): string {
  const escaped = line.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
