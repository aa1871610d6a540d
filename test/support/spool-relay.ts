/**
 * A relay with a spool before a scripted upstream.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SqliteStore } from '../../src/spool/sqlite-store.ts';
import { scene, type Scene } from './pool-scene.ts';
import type { Variables } from './relay-process.ts';
import type { Script } from './scripted-upstream.ts';

export interface SpoolRelay extends Scene {
  readonly directory: string;
  /** Messages that are in the spool now. */
  kept(): Promise<number>;
}

export async function spoolRelay(
  script: Partial<Script> = {},
  variables: Variables = {},
): Promise<SpoolRelay> {
  const directory = mkdtempSync(join(tmpdir(), 'sealpost-spool-'));
  const { upstream, relay, ...ends } = await scene(script, {
    SEALPOST_SPOOL: `file:${directory}`,
    ...variables,
  });
  return {
    upstream,
    relay,
    directory,
    kept: async () => messagesIn(directory),
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await ends[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
}

async function messagesIn(directory: string): Promise<number> {
  const store = await SqliteStore.open(directory, { maxMessages: Infinity, maxOctets: Infinity });
  const { messages } = await store.measure();
  await store.close();
  return messages;
}
