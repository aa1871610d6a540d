/**
 * The upstream says nothing, or speaks without ever coming to an end: no client waits longer than its operator allows.
 */
import { strict as assert } from 'node:assert';
import { describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { drip } from '../support/hostile-answers.ts';
import { PHASES_INSIDE_TLS, PHASES_WITH_STARTTLS, type Phase } from '../support/hostile-phases.ts';
import type { Attack } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { SILENCE } from '../support/scripted-upstream.ts';

/** Long enough for an innocent upstream on a busy machine, short enough for a test. */
const variables = {
  SEALPOST_CONNECT_TIMEOUT: '2',
  SEALPOST_COMMAND_TIMEOUT: '2',
  SEALPOST_FINAL_TIMEOUT: '2',
};

const atPhases = (phases: readonly Phase[]): readonly Attack[] =>
  phases.map(({ when, script, ...phase }) => ({
    ...phase,
    name: `gives up when the upstream is silent ${when}`,
    script: script(() => undefined),
  }));

const EVERY_MS = 100;

const withStartTls: readonly Attack[] = [
  {
    name: 'gives up on a greeting that comes one octet at a time without end',
    script: { greeting: SILENCE, onConnection: (at) => drip(at, '2', EVERY_MS) },
    reply: '451 4.4.1',
  },
  {
    name: 'says which scheme to use when a STARTTLS port speaks TLS at once',
    script: { mode: 'implicit' },
    reply: '451 4.4.1',
    also: (reply) => assert.match(reply.raw, /smtps:\/\//),
  },
];

const insideTls: readonly Attack[] = [
  {
    name: 'gives up on a reply whose lines go on without end',
    script: {
      answer: (line, at) => {
        if (!line.startsWith('AUTH')) return undefined;
        drip(at, '235-wait\r\n', EVERY_MS);
        return SILENCE;
      },
    },
    reply: '451 4.4.2',
    isAuthenticated: true,
  },
  {
    name: 'gives up on a verdict whose lines go on without end',
    script: {
      verdict: (_message, at) => {
        drip(at, '250-wait\r\n', EVERY_MS);
        return SILENCE;
      },
    },
    reply: '451 4.4.2',
    isAuthenticated: true,
    isComplete: true,
    logged: 'transaction.unknown',
  },
];

const twins: readonly Innocent[] = [
  {
    name: 'waits for an upstream that takes its time for every answer',
    script: {
      answer: async () => {
        await delay(EVERY_MS);
        return undefined;
      },
      verdict: async () => {
        await delay(EVERY_MS);
        return '250 2.0.0 Queued\r\n';
      },
    },
  },
];

// Side by side: these cases wait and do not work.
describe('Silence', { concurrency: true }, () => {
  hostileSuite('before TLS', {
    setting: { scheme: 'smtp', variables },
    attacks: [...atPhases(PHASES_WITH_STARTTLS), ...withStartTls],
    twins,
  });
  hostileSuite('inside TLS', {
    setting: { scheme: 'smtps', variables },
    attacks: [...atPhases(PHASES_INSIDE_TLS), ...insideTls],
    twins,
  });
});
