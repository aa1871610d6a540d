/**
 * `sealpost queue`: what lies in the spool, and what the operator does about it; also while relays work on it.
 */
import { parseArgs } from 'node:util';

import { loadSpool } from '../config/settings.ts';
import { RelayError } from '../protocol/failure.ts';
import type { QueuedMessage, SpoolStore } from '../spool/spool-store.ts';
import { EXIT, printProblems } from './exit.ts';
import { queueDetails, queueJson, queueObjects, queueTable } from './queue-text.ts';
import { openStore } from './spool.ts';
import { isUsageError, UsageError } from './usage-error.ts';

export const USAGE = `Usage: sealpost queue [list] [--json]
       sealpost queue show ID [--json]
       sealpost queue retry ID | --all
       sealpost queue remove ID

Tells what waits in the spool (SEALPOST_SPOOL), tries it again at once, or throws it away.
A running relay takes notice within seconds.

list    all messages, the oldest first; the default
show    one message: its recipients, and what was said of each
retry   makes one message due now, or all
remove  throws one away; nobody is told. Not while it is being delivered
--json  the same for programs: one JSON object a line

Exit code
   0  done
  64  this command line cannot be understood
  69  there is no such message, or it is being delivered, or the spool cannot be read
  78  a variable is wrong or missing
`;

/** @returns the exit code: 0, 64, 69, 78 */
export async function queue(args: readonly string[], out: NodeJS.WritableStream): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        all: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const action = actionOf(positionals, values);
    return await withStore(async (store) => action(store, out));
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`sealpost queue: ${error.message}\n\n${USAGE}`);
    return EXIT.usage;
  }
}

type Action = (store: SpoolStore, out: NodeJS.WritableStream) => Promise<number>;

interface Switches {
  readonly all: boolean;
  readonly json: boolean;
}

/** @throws {UsageError} */
function actionOf([verb = 'list', id, ...more]: readonly string[], { all, json }: Switches): Action {
  if (more.length > 0) throw new UsageError(`what is "${more[0]}"?`);
  if (all && verb !== 'retry') throw new UsageError('--all goes with retry alone');
  switch (verb) {
    case 'list':
      if (id !== undefined) throw new UsageError('list takes no id');
      return async (store, out) => list(store, json, out);
    case 'show':
      return async (store, out) => show(store, required(id), json, out);
    case 'retry':
      if (all === (id !== undefined)) throw new UsageError('retry takes an id, or --all');
      return async (store, out) => retry(store, id, out);
    case 'remove':
      return async (store, out) => remove(store, required(id), out);
    default:
      throw new UsageError(`"${verb}" is none of list, show, retry, remove`);
  }
}

function required(id: string | undefined): string {
  if (id === undefined) throw new UsageError('which message? Its id is missing');
  return id;
}

async function withStore(action: (store: SpoolStore) => Promise<number>): Promise<number> {
  const values = loadSpool();
  if ('problems' in values) return printProblems(values.problems);
  try {
    const store = await openStore(values);
    if (store === undefined) {
      const text = 'is off: set it as it is set for the relay';
      return printProblems([{ variable: 'SEALPOST_SPOOL', text }]);
    }
    const code = await action(store);
    await store.close();
    return code;
  } catch (error) {
    if (!(error instanceof RelayError) || error.failure.kind !== 'spool') throw error;
    process.stderr.write(`sealpost queue: the spool cannot be used (${error.failure.reason})\n`);
    return EXIT.unavailable;
  }
}

async function list(store: SpoolStore, isJson: boolean, out: NodeJS.WritableStream): Promise<number> {
  const text = isJson ? queueObjects(store.list()) : queueTable(store.list(), Date.now());
  for await (const lines of text) out.write(lines.map((line) => `${line}\n`).join(''));
  return EXIT.ok;
}

async function show(
  store: SpoolStore,
  id: string,
  isJson: boolean,
  out: NodeJS.WritableStream,
): Promise<number> {
  const found: QueuedMessage | undefined = await store.get(id);
  if (found === undefined) return unknown(id);
  out.write(`${isJson ? queueJson(found) : queueDetails(found).join('\n')}\n`);
  return EXIT.ok;
}

async function retry(store: SpoolStore, id: string | undefined, out: NodeJS.WritableStream): Promise<number> {
  const count = await store.retryNow(id);
  if (id !== undefined && count === 0) return unknown(id);
  out.write(`${count} ${count === 1 ? 'message is' : 'messages are'} due now\n`);
  return EXIT.ok;
}

async function remove(store: SpoolStore, id: string, out: NodeJS.WritableStream): Promise<number> {
  const outcome = await store.remove(id);
  if (outcome === 'unknown') return unknown(id);
  if (outcome === 'claimed') {
    process.stderr.write(`sealpost queue: ${id} is being delivered now\n`);
    return EXIT.unavailable;
  }
  out.write(`${id} is removed\n`);
  return EXIT.ok;
}

function unknown(id: string): number {
  process.stderr.write(`sealpost queue: there is no message ${id} in the spool\n`);
  return EXIT.unavailable;
}
