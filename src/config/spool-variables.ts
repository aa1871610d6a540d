/**
 * Variables about the spool: where messages are kept that cannot be delivered yet, how long and how many.
 */
import { isAbsolute } from 'node:path';

import { parseDatabasePlace, showDatabasePlace, type DatabasePlace } from '../database/database-place.ts';
import type { Problem } from './environment.ts';
import type { Values } from './table.ts';
import { withDefault, type Container } from './variable.ts';

/** Where it is, if there is one. */
export type SpoolPlace =
  | { readonly kind: 'off' }
  | { readonly kind: 'directory'; readonly directory: string }
  | { readonly kind: 'database'; readonly place: DatabasePlace };

const DAY_MS = 86_400_000;
const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1_000],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', DAY_MS],
]);

/** Longer than anybody waits for a message; and a date stays a date. */
const LONGEST_MS = 365 * DAY_MS;

export const SPOOL_VARIABLES = {
  spool: withDefault(
    'SEALPOST_SPOOL',
    'off',
    {
      form: '`off`, `file:` and a directory, or `postgres://user:password@host/database`',
      meaning:
        'Where a message is kept, and tried again, when its upstream cannot take it for the moment; the client is told 250 then. See [the guide](guides/spool.md). The directory is made when it is not there; on a disk of this machine. A PostgreSQL database is shared by any number of relays; beyond loopback and sockets (`postgres://user@/database?host=/run/postgresql`) its server proves its name inside TLS.',
      isSecret: true,
    },
    (variable) => placeOf(variable.asString()),
  ),
  spoolExpiryMs: withDefault(
    'SEALPOST_SPOOL_EXPIRY',
    '5d',
    {
      form: 'seconds, or a number and `m`, `h` or `d`',
      meaning: 'How long a message is tried before its sender is told that it was not delivered.',
    },
    (variable) => durationOf(variable.asString()),
  ),
  spoolMaxOctets: withDefault(
    'SEALPOST_SPOOL_MAX_OCTETS',
    '10737418240',
    { form: 'octets', meaning: 'How much the spool may hold; beyond it clients are told 452 4.3.1.' },
    (variable) => variable.asOctets(),
  ),
  spoolMaxMessages: withDefault(
    'SEALPOST_SPOOL_MAX_MESSAGES',
    '100000',
    { form: 'number', meaning: 'How many messages it may hold.' },
    (variable) => variable.asCount(1),
  ),
} as const;

export type SpoolValues = Pick<Values, keyof typeof SPOOL_VARIABLES>;

export function readSpool(container: Container): SpoolValues {
  return {
    spool: SPOOL_VARIABLES.spool.read(container),
    spoolExpiryMs: SPOOL_VARIABLES.spoolExpiryMs.read(container),
    spoolMaxOctets: SPOOL_VARIABLES.spoolMaxOctets.read(container),
    spoolMaxMessages: SPOOL_VARIABLES.spoolMaxMessages.read(container),
  };
}

export function spoolFaults({ spool, clientAuth }: Values): readonly Problem[] {
  if (spool.kind === 'off' || clientAuth !== 'passthrough') return [];
  const text =
    'should be off with SEALPOST_CLIENT_AUTH=passthrough: a password that is nowhere kept delivers nothing later';
  return [{ variable: 'SEALPOST_SPOOL', text }];
}

/** For people, without a password. */
export function showSpool(place: SpoolPlace): string {
  switch (place.kind) {
    case 'off':
      return 'off';
    case 'directory':
      return `file:${place.directory}`;
    case 'database':
      return showDatabasePlace(place.place);
  }
}

function placeOf(text: string): SpoolPlace {
  if (text === 'off') return { kind: 'off' };
  if (/^postgres/i.test(text)) return { kind: 'database', place: parseDatabasePlace(text) };
  const directory = /^file:(.+)$/.exec(text)?.[1];
  if (directory === undefined || !isAbsolute(directory))
    throw new Error(
      'should be off, a postgres:// URL, or file: and an absolute path, such as file:/var/spool/sealpost',
    );
  return { kind: 'directory', directory };
}

/** @returns milliseconds */
function durationOf(text: string): number {
  const [, number, unit = ''] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS.get(unit) ?? NaN);
  if (!(ms > 0 && ms <= LONGEST_MS))
    throw new Error('should be a number of seconds, or such as 12h or 5d; at most 365d');
  return ms;
}
