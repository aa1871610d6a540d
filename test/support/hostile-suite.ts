/**
 * A table of attacks as tests: each in every environment, on one relay process for each environment.
 */
import { after, before, describe, test } from 'node:test';

import { ENVIRONMENTS, HostileStage, type Attack, type Deviation, type Setting } from './hostile-stage.ts';

/** Something odd that an honest upstream does. */
export interface Innocent {
  readonly name: string;
  readonly script: Deviation;
  readonly also?: (stage: HostileStage) => void | Promise<void>;
}

export interface Matrix {
  readonly setting: Setting;
  readonly attacks: readonly Attack[];
  /** The twins of the attacks: of the same shape, with nothing wrong. */
  readonly twins: readonly Innocent[];
}

/** Far more than any case needs: only a relay that hangs meets these. */
const CASE_MS = 10_000;
const SUITE = { timeout: 120_000, concurrency: false };

export function hostileSuite(title: string, { setting, attacks, twins }: Matrix): void {
  // The environments side by side: many cases wait more than they work.
  describe(title, { concurrency: true }, () => {
    for (const { name, variables } of ENVIRONMENTS) {
      describe(name, SUITE, () => {
        let stage: HostileStage;
        const start = async (): Promise<void> => {
          stage = await HostileStage.start(setting, variables);
        };
        before(start);
        after(async () => stage.end());
        /** A case that fails costs the others nothing: they go on with a new relay. */
        const play = async (act: () => Promise<void>): Promise<void> => {
          try {
            await inTime(act());
          } catch (error) {
            await stage.abandon();
            await start();
            throw error;
          }
        };
        for (const attack of attacks) test(attack.name, async () => play(async () => stage.refuses(attack)));
        for (const { name: sentence, script, also } of twins) {
          const act = async (): Promise<void> => {
            await stage.delivers(script);
            await also?.(stage);
          };
          test(sentence, async () => play(act));
        }
      });
    }
  });
}

async function inTime(act: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no end after ${CASE_MS} ms`)), CASE_MS);
  await Promise.race([act, late]).finally(() => clearTimeout(timer));
}
