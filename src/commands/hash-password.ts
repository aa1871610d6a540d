/**
 * `sealpost hash-password`: makes the line of one user for SEALPOST_CLIENT_USERS_FILE.
 *
 * Guarantees: the password is taken from standard input, never from the command line; it is not shown while it is typed.
 */
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { Writable, type Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';

import { formatHash, hashPassword as hash } from '../listener/password-hash.ts';
import { isUserName } from '../listener/user-file.ts';
import { EXIT } from './exit.ts';

export const USAGE = `Usage: sealpost hash-password NAME

Reads a password from standard input, where it is asked for twice on a terminal, and prints a line
for the file that SEALPOST_CLIENT_USERS_FILE names.
`;

const PASSWORD_OCTETS = 4_000;

/** What comes in: a terminal, or a pipe whose first line counts. */
export type PasswordInput = Readable & { readonly isTTY?: boolean };

/** @returns the exit code: 0, 64 (EX_USAGE) */
export async function hashPassword(
  args: readonly string[],
  input: PasswordInput,
  out: NodeJS.WritableStream,
): Promise<number> {
  const [name = '', ...more] = args;
  if (
    more.length > 0 ||
    name.startsWith('-') ||
    name.startsWith('#') ||
    name.trim() !== name ||
    !isUserName(name)
  )
    return mistake('name one user, without colons and control characters');
  const password = input.isTTY === true ? await askTwice(input) : await firstLine(input);
  if (password === undefined) return mistake('the two passwords are not the same');
  if (password === '') return mistake('the password is empty');
  if (password.includes('\0') || Buffer.byteLength(password) > PASSWORD_OCTETS)
    return mistake('the password has a NUL, or more than 4000 octets');
  out.write(`${name}:${formatHash(await hash(password))}\n`);
  return EXIT.ok;
}

function mistake(text: string): number {
  process.stderr.write(`sealpost hash-password: ${text}\n\n${USAGE}`);
  return EXIT.usage;
}

async function firstLine(input: Readable): Promise<string> {
  return (await readText(input)).split(/\r?\n/, 1)[0] ?? '';
}

/** @returns undefined when they differ */
async function askTwice(input: Readable): Promise<string | undefined> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  try {
    const password = await ask(terminal, 'Password: ');
    if (password === '') return password;
    return (await ask(terminal, 'Once more: ')) === password ? password : undefined;
  } finally {
    terminal.close();
  }
}

/** Prompts go to standard error, so that standard output is the line alone. */
async function ask(terminal: Interface, prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const answered = new AbortController();
  const { signal } = answered;
  const line = once(terminal, 'line', { signal }).then((words: readonly unknown[]) => String(words[0]));
  const closed = once(terminal, 'close', { signal }).then(() => '');
  try {
    return await Promise.race([line, closed]);
  } finally {
    process.stderr.write('\n');
    answered.abort();
    await Promise.allSettled([line, closed]);
  }
}
