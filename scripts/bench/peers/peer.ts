/**
 * A system under test: takes plain SMTP on loopback and delivers to the upstream over verified TLS.
 */
import { execFileSync } from 'node:child_process';

import type { WorkDirectory } from '../../../test/support/peers/peer.ts';
import { Program } from '../program.ts';
import type { Upstream } from '../upstream.ts';

/** `pipe`: bytes in, bytes out in TLS; `relay`: answers with the upstream's verdict; `queue`: answers first. */
export type PeerWay = 'pipe' | 'relay' | 'queue' | 'none';

export interface Peer {
  readonly name: string;
  readonly title: string;
  readonly way: PeerWay;
  /** Debian packages to install. */
  readonly packages: readonly string[];
  /** How many clients may stand idle on it. */
  readonly idleClients: number;
  /**
   * Brings what no package manager of the machine installs.
   *
   * @returns its version
   * @throws {Error} when it cannot be had here
   */
  prepare(work: WorkDirectory): Promise<string>;
  /** Starts it; it is ready when this resolves. */
  start(place: PeerPlace): Promise<Program>;
}

export interface PeerPlace {
  /** A directory of this start's own. */
  readonly work: WorkDirectory;
  /** What `prepare` was given. */
  readonly prepared: WorkDirectory;
  readonly upstream: Upstream;
  /** Where it is to listen, on 127.0.0.1. */
  readonly port: number;
  readonly namespace?: string | undefined;
}

/** No limit but the machine's. */
export const MANY_CLIENTS = 10_000;
/** A pipe needs two descriptors for each client, and an upstream connection too. */
export const PIPE_CLIENTS = 1_000;

/** Starts a program of the machine with its log where the place keeps it. */
export async function startIn(
  { work, namespace, port }: PeerPlace,
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const logFile = work.at('output.log');
  return Program.start({ command, args, environment, logFile, namespace, port, directory: work.path });
}

/** The first version number that a command prints, on either stream. */
export function versionPrinted(command: string, ...args: readonly string[]): string {
  const output = execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', command, ...args], { encoding: 'utf8' });
  const version = /\d+\.\d+[\w.]*/.exec(output)?.[0];
  if (version === undefined) throw new Error(`${command} tells no version: ${output.slice(0, 200)}`);
  return version;
}
