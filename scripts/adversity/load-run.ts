/**
 * Abuse of each kind, and what honest clients feel of it: their latency before and during it, and the relay's memory.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { startRelay, type RelayProcess, type Variables } from '../../test/support/relay-process.ts';
import { SmtpDialog } from '../../test/support/smtp-dialog.ts';
import { Companion, placeOf } from './companion.ts';

export const ABUSES = {
  idle: '10,000 clients that say EHLO and nothing more',
  scanner: '2,000 connections a second, reset as soon as they stand',
  drippers: '200 clients that send their message an octet a second',
  guessers: '50 clients that guess a password without a pause',
  recipients: '20 clients that name recipients without a pause',
} as const;
export type Abuse = keyof typeof ABUSES;

export interface Felt {
  readonly messages: number;
  readonly failed: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

export interface LoadResult {
  readonly abuse: Abuse;
  readonly before: Felt;
  readonly during: Felt;
  readonly residentBeforeMb: number;
  readonly residentDuringMb: number;
  /** What the abuser tells of himself. */
  readonly deeds: string;
}

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const UPSTREAM = new URL('good-upstream.ts', import.meta.url);
const ABUSER = new URL('abuser.ts', import.meta.url);
const PASSWORD = 'honest password';
/** Between messages of the one honest client. */
const PAUSE_MS = 20;

/** @param seconds of measuring, before and during */
export async function loadRun(abuse: Abuse, seconds: number, variables: Variables): Promise<LoadResult> {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.adopt(mkdtempSync(join(tmpdir(), 'sealpost-load-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const upstream = cleanup.use(await Companion.start(UPSTREAM, []));
  const { port, caFile } = placeOf(upstream);
  const relay = cleanup.use(
    await startRelay({
      SEALPOST_UPSTREAM: `smtps://localhost:${port}`,
      SEALPOST_TLS_CA_FILE: caFile,
      ...(abuse === 'guessers' ? usersIn(directory) : {}),
      ...variables,
    }),
  );
  const login = abuse === 'guessers';
  await honest(relay, 1_000, login); // code that has run once, a hop that stands
  const residentBeforeMb = (await relay.residentOctets()) / 1e6;
  const before = await honest(relay, seconds * 1_000, login);
  const abuser = cleanup.use(await Companion.start(ABUSER, [abuse, String(relay.port())]));
  const during = await honest(relay, seconds * 1_000, login);
  const residentDuringMb = (await relay.residentOctets()) / 1e6;
  const deeds = await abuser.stop();
  return { abuse, before, during, residentBeforeMb, residentDuringMb, deeds };
}

function usersIn(directory: string): Variables {
  const { stdout } = spawnSync(process.execPath, [CLI, 'hash-password', 'honest'], {
    input: `${PASSWORD}\n`,
    encoding: 'utf8',
  });
  const file = join(directory, 'users');
  writeFileSync(file, stdout, { mode: 0o600 });
  return { SEALPOST_CLIENT_AUTH: 'users', SEALPOST_CLIENT_USERS_FILE: file };
}

/** Messages one after the other, each over a connection of its own. */
async function honest(relay: RelayProcess, milliseconds: number, login: boolean): Promise<Felt> {
  const times: number[] = [];
  let failed = 0;
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const began = performance.now();
    if (await delivers(relay.port(), login)) times.push(performance.now() - began);
    else failed += 1;
    relay.log.splice(10);
    relay.output = '';
    await delay(PAUSE_MS);
  }
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return { messages: times.length, failed, medianMs: at(0.5), p99Ms: at(0.99) };
}

async function delivers(port: number, login: boolean): Promise<boolean> {
  try {
    using client = await SmtpDialog.open(port);
    if (login) {
      const token = Buffer.from(`\0honest\0${PASSWORD}`).toString('base64');
      await client.command('EHLO honest.test');
      if ((await client.command(`AUTH PLAIN ${token}`)).code !== 235) return false;
    }
    return (await client.send('Subject: honest\r\n\r\nHello')).code === 250;
  } catch {
    return false; // hung up on
  }
}
