#!/usr/bin/env node
/**
 * The executable: from the command line to a command.
 */
import { certificate } from './commands/certificate.ts';
import { check } from './commands/check.ts';
import { config } from './commands/config.ts';
import { demo } from './commands/demo.ts';
import { dieOnMistakes } from './commands/die-on-mistakes.ts';
import { EXIT, printProblems } from './commands/exit.ts';
import { hashPassword } from './commands/hash-password.ts';
import { health } from './commands/health.ts';
import { login } from './commands/login.ts';
import { queue } from './commands/queue.ts';
import { sandbox } from './commands/sandbox.ts';
import { serve } from './commands/serve.ts';
import { endWhenUnread } from './commands/unread-output.ts';
import { loadSettings, loadStateDirectory, type Settings } from './config/settings.ts';
import { packageVersion } from './config/version.ts';

const USAGE = `Usage: sealpost COMMAND

serve          relay mail, configured by SEALPOST_ variables (docs/CONFIGURATION.md)
config         check the variables and print them as they count
check          tell for each port of an upstream what is there, whether it is secure, and what to change
health         tell in one line whether the relay that runs here is ready, for probes
certificate    show, renew or export the local CA and its certificate
login          log in at the upstream's provider, once, where it wants tokens (OAuth 2)
queue          list, show, retry or remove what waits in the spool
hash-password  make a line of SEALPOST_CLIENT_USERS_FILE from a name and a password
sandbox        run an upstream for development that keeps what it receives
demo           see the relay deliver, refuse three attacks, and log in without a password
version        print the version
`;

const [command = '', ...args] = process.argv.slice(2);
dieOnMistakes(({ stack }) => void process.stderr.write(`sealpost: ${stack}\n`));
// `serve` relays on without a reader of its log, and the exit code of `check` is its verdict.
if (command !== 'serve' && command !== 'check') endWhenUnread();
process.exitCode = await run(command, args);
// What these may still have open nobody waits for: a farewell on its way, a question to DNS.
if (command === 'serve' || command === 'check') process.exit();

async function run(name: string, rest: readonly string[]): Promise<number> {
  switch (name) {
    case 'serve':
      return withSettings(serve);
    case 'config':
      return withSettings(async (settings) => config(settings, process.stdout));
    case 'check':
      return check(rest, process.stdout);
    case 'health':
      return health(rest, process.stdout);
    case 'certificate':
      return certificate(rest, { stateDirectory: loadStateDirectory() }, process.stdout);
    case 'login':
      return login(rest, process.stdout);
    case 'queue':
      return queue(rest, process.stdout);
    case 'hash-password':
      return hashPassword(rest, process.stdin, process.stdout);
    case 'sandbox':
      return sandbox(rest, { stateDirectory: loadStateDirectory() }, process.stdout);
    case 'demo':
      return demo(rest, process.stdout);
    case 'version':
    case '--version':
      process.stdout.write(`${packageVersion()}\n`);
      return EXIT.ok;
    case 'help':
    case '--help':
      process.stdout.write(USAGE);
      return EXIT.ok;
    default:
      process.stderr.write(USAGE);
      return EXIT.usage;
  }
}

async function withSettings(action: (settings: Settings) => Promise<number>): Promise<number> {
  const loaded = loadSettings();
  return 'problems' in loaded ? printProblems(loaded.problems) : action(loaded.settings);
}
