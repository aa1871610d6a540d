#!/usr/bin/env node
/**
 * The executable `sealpost-sendmail`: for programs that hand mail to a pipe.
 */
import { basename } from 'node:path';

import { loadSendmailSettings, type SendmailSettings } from './config/sendmail-settings.ts';
import { packageVersion } from './config/version.ts';
import { bridge } from './sendmail/bridge.ts';
import { deliver } from './sendmail/deliver.ts';
import { SendmailError, SYSEXITS, type ExitCode } from './sendmail/exit-code.ts';
import { HELP } from './sendmail/help.ts';
import { parseOptions, type Options } from './sendmail/options.ts';

// Whoever has stopped reading what is told here still wants the message sent.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const [, program = '', ...words] = process.argv;
process.exitCode = await runOrExplain();

async function runOrExplain(): Promise<ExitCode> {
  try {
    return await run(parseOptions(words, basename(program)));
  } catch (error) {
    if (error instanceof SendmailError) {
      tell(error.message);
      return error.exitCode;
    }
    tell(error instanceof Error ? (error.stack ?? error.message) : 'unknown mistake'); // one of ours
    return SYSEXITS.software;
  }
}

async function run(options: Options): Promise<ExitCode> {
  switch (options.mode) {
    case 'deliver':
      return withSettings(async (settings) => deliver(options, { ...settings, input: process.stdin, tell }));
    case 'smtp':
      return withSettings(async ({ relay }) => {
        await bridge(relay, process.stdin, process.stdout);
        return SYSEXITS.ok;
      });
    case 'mailq':
      return print('Mail queue is empty: nothing is kept here; the relay hands mail on at once.\n');
    case 'newaliases':
      return SYSEXITS.ok;
    case 'help':
      return print(HELP);
    case 'version':
      return print(`${packageVersion()}\n`);
  }
}

async function withSettings(action: (settings: SendmailSettings) => Promise<ExitCode>): Promise<ExitCode> {
  const loaded = loadSendmailSettings();
  if ('settings' in loaded) return action(loaded.settings);
  for (const { variable, text } of loaded.problems) tell(`${variable} ${text}`);
  return SYSEXITS.config;
}

function print(text: string): ExitCode {
  process.stdout.write(text);
  return SYSEXITS.ok;
}

function tell(line: string): void {
  process.stderr.write(`sealpost-sendmail: ${line}\n`);
}
