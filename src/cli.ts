#!/usr/bin/env node
/**
 * The executable: from the command line to a command.
 */
import { audit, USAGE as AUDIT } from './commands/audit.ts';
import { certificate, USAGE as CERTIFICATE } from './commands/certificate.ts';
import { check, USAGE as CHECK } from './commands/check.ts';
import type { Command } from './commands/command.ts';
import { completion, USAGE as COMPLETION } from './commands/completion.ts';
import { config, USAGE as CONFIG } from './commands/config.ts';
import { demo, USAGE as DEMO } from './commands/demo.ts';
import { dieOnMistakes } from './commands/die-on-mistakes.ts';
import { EXIT, printProblems } from './commands/exit.ts';
import { hashPassword, USAGE as HASH_PASSWORD } from './commands/hash-password.ts';
import { health, USAGE as HEALTH } from './commands/health.ts';
import { login, USAGE as LOGIN } from './commands/login.ts';
import { queue, USAGE as QUEUE } from './commands/queue.ts';
import { sandbox, USAGE as SANDBOX } from './commands/sandbox.ts';
import { serve, USAGE as SERVE } from './commands/serve.ts';
import { endWhenUnread } from './commands/unread-output.ts';
import { loadSettings, loadStateDirectory, type Settings } from './config/settings.ts';
import { packageVersion } from './config/version.ts';

const { stdin, stdout, stderr } = process;

const COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    summary: 'relay mail, configured by SEALPOST_ variables (docs/CONFIGURATION.md)',
    usage: SERVE,
    run: async () => withSettings(serve),
  },
  {
    name: 'config',
    summary: 'check the variables and print them as they count',
    usage: CONFIG,
    run: async () => withSettings(async (settings) => config(settings, stdout)),
  },
  {
    name: 'check',
    summary: 'tell for each port of an upstream what is there, whether it is secure, and what to change',
    usage: CHECK,
    run: async (args) => check(args, stdout),
  },
  {
    name: 'health',
    summary: 'tell in one line whether the relay that runs here is ready, for probes',
    usage: HEALTH,
    run: async (args) => health(args, stdout),
  },
  {
    name: 'certificate',
    summary: 'show, renew or export the local CA and its certificate',
    usage: CERTIFICATE,
    run: async (args) => certificate(args, { stateDirectory: loadStateDirectory() }, stdout),
  },
  {
    name: 'login',
    summary: "log in at the upstream's provider, once, where it wants tokens (OAuth 2)",
    usage: LOGIN,
    run: async (args) => login(args, stdout),
  },
  {
    name: 'queue',
    summary: 'list, show, retry or remove what waits in the spool',
    usage: QUEUE,
    run: async (args) => queue(args, stdout),
  },
  {
    name: 'audit',
    summary: 'verify the audit trail',
    usage: AUDIT,
    run: async (args) => audit(args, stdout),
  },
  {
    name: 'hash-password',
    summary: 'make a line of SEALPOST_CLIENT_USERS_FILE from a name and a password',
    usage: HASH_PASSWORD,
    run: async (args) => hashPassword(args, stdin, stdout),
  },
  {
    name: 'sandbox',
    summary: 'run an upstream for development that keeps what it receives',
    usage: SANDBOX,
    run: async (args) => sandbox(args, { stateDirectory: loadStateDirectory() }, stdout),
  },
  {
    name: 'demo',
    summary: 'see the relay deliver, refuse three attacks, and log in without a password',
    usage: DEMO,
    run: async (args) => demo(args, stdout),
  },
  {
    name: 'completion',
    summary: 'print what a shell needs to complete this command line',
    usage: COMPLETION,
    run: async (args) => completion(args, COMMANDS, stdout),
  },
  {
    name: 'version',
    summary: 'print the version',
    usage: 'Usage: sealpost version\n\nPrints the version.\n',
    run: async () => tell(`${packageVersion()}\n`),
  },
];

const USAGE = `Usage: sealpost COMMAND

${COMMANDS.map(({ name, summary }) => `${name.padEnd(13)}  ${summary}\n`).join('')}
\`sealpost COMMAND --help\` tells about one of them.
`;

const [name = '', ...args] = process.argv.slice(2);
dieOnMistakes(({ stack }) => void stderr.write(`sealpost: ${stack}\n`));
// `serve` relays on without a reader of its log, and the exit code of `check` is its verdict.
if (name !== 'serve' && name !== 'check') endWhenUnread();
process.exitCode = await run();
// What these may still have open nobody waits for: a farewell on its way, a question to DNS.
if (name === 'serve' || name === 'check') process.exit();

async function run(): Promise<number> {
  if (name === '--version') return tell(`${packageVersion()}\n`);
  if (asksHelp(name) || name === 'help') return tell(USAGE);
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) return refuse(name === '' ? 'name a command' : `"${name}" is no command`, USAGE);
  if (args.some(asksHelp)) return tell(command.usage);
  // Those that take some say themselves which.
  const takesNothing = command.usage.startsWith(`Usage: sealpost ${name}\n`);
  if (takesNothing && args.length > 0) return refuse(`${name} takes no arguments`, command.usage);
  return command.run(args);
}

function asksHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

function refuse(reason: string, usage: string): number {
  stderr.write(`sealpost: ${reason}\n\n${usage}`);
  return EXIT.usage;
}

function tell(text: string): number {
  stdout.write(text);
  return EXIT.ok;
}

async function withSettings(action: (settings: Settings) => Promise<number>): Promise<number> {
  const loaded = loadSettings();
  return 'problems' in loaded ? printProblems(loaded.problems) : action(loaded.settings);
}
