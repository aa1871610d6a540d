/**
 * A relay of several processes, and what a test wants to know of them.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { startRelay, type RelayProcess, type Variables } from './relay-process.ts';
import type { ScriptedUpstream } from './scripted-upstream.ts';
import { SmtpDialog } from './smtp-dialog.ts';

/** Two workers unless the variables say otherwise. */
export async function startWorkers(
  upstream: ScriptedUpstream,
  caFile: string,
  variables: Variables = {},
): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: caFile,
    SEALPOST_WORKERS: '2',
    ...variables,
  });
}

/** Of the workers that have been started, in order. */
export function processIds(relay: RelayProcess): readonly number[] {
  return relay.log.filter(({ event }) => event === 'worker.started').map(({ pid }) => Number(pid));
}

/** Resolves when none of these processes is left. One that only waits for its exit code to be asked for is gone. */
export async function ended(ids: readonly number[]): Promise<void> {
  while (ids.some(isAlive)) await delay(10); // a process that is not our child tells us nothing
}

function isAlive(processId: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${processId}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export async function sendOne(port: number): Promise<void> {
  using client = await SmtpDialog.open(port);
  assert.equal((await client.send('Subject: x\r\n\r\nHello')).code, 250);
}

/** Keeps sending over new connections until each of these workers has delivered something. */
export async function untilDeliveredBy(relay: RelayProcess, workers: readonly number[]): Promise<void> {
  const since = relay.log.length;
  const port = relay.port();
  const missing = (): boolean => {
    const delivered = relay.log.slice(since).filter(({ event }) => event === 'transaction.delivered');
    const seen = new Set(delivered.map(({ worker }) => worker));
    return workers.some((worker) => !seen.has(worker));
  };
  while (missing()) await Promise.all(Array.from({ length: 10 }, async () => sendOne(port)));
}

/** Stops it and waits for its last log line. @returns its exit code */
export async function stopped(relay: RelayProcess): Promise<number | null> {
  const closed = once(relay.child, 'close');
  const code = await relay.stop();
  await closed;
  return code;
}
