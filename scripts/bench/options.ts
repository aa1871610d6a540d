/**
 * The command line of scripts/benchmark.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { CASES, type Case } from './cases.ts';
import { allPeers, peersByName } from './peers/all-peers.ts';
import type { Peer } from './peers/peer.ts';

export type Mode = 'compare' | 'growth' | 'smoke' | 'packages' | 'list';

export interface Options {
  readonly mode: Mode;
  readonly cases: readonly Case[];
  readonly peers: readonly Peer[];
  readonly rounds: number;
  readonly seconds: number;
  /** Growth up to a million messages. */
  readonly isLong: boolean;
  /** Where tables and plots are written. */
  readonly outputDirectory: string;
}

const ROUNDS = '5';
const SECONDS = '2';

export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string', default: ROUNDS },
      seconds: { type: 'string', default: SECONDS },
      growth: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      packages: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      set: { type: 'string', multiple: true, default: [] },
      program: { type: 'string' },
      output: { type: 'string', default: 'docs/benchmarks' },
    },
  });
  const mode = modeOf(values);
  const own = values.growth ? 'sealpost' : values.smoke ? 'sealpost,direct' : values.peers;
  const peers = (own === undefined ? allPeers : peersByName)({
    program: values.program === undefined ? undefined : resolve(values.program),
    variables: Object.fromEntries(values.set.map(pair)),
  });
  return {
    mode,
    cases: select('case', CASES, values.only),
    peers: select('peer', peers, own),
    rounds: positive('--rounds', values.rounds),
    seconds: positive('--seconds', values.seconds),
    isLong: values.long,
    outputDirectory: values.output,
  };
}

function modeOf(values: Readonly<Record<Exclude<Mode, 'compare'>, boolean>>): Mode {
  if (values.list) return 'list';
  if (values.packages) return 'packages';
  if (values.smoke) return 'smoke';
  return values.growth ? 'growth' : 'compare';
}

/** @param names separated by commas; all without it */
function select<Named extends { readonly name: string }>(
  what: string,
  all: readonly Named[],
  names: string | undefined,
): readonly Named[] {
  if (names === undefined) return all;
  return names.split(',').map((name) => {
    const found = all.find((one) => one.name === name);
    if (found === undefined)
      throw new RangeError(`no ${what} ${name}; there are ${all.map((one) => one.name).join(', ')}`);
    return found;
  });
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 0) throw new RangeError(`--set wants NAME=VALUE, not ${text}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`${name} wants a number above 0, not ${text}`);
  return value;
}
