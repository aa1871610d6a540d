/**
 * The upstream ends the connection: at every phase, in order, by a reset or without close_notify, and in the middle of a
 * reply or of the content.
 */
import {
  PHASES_INSIDE_TLS,
  PHASES_WITH_STARTTLS,
  type Failing,
  type Phase,
} from '../support/hostile-phases.ts';
import { authenticated, keywords, type Attack, type Deviation, type Send } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { CLOSE, RESET, SILENCE } from '../support/scripted-upstream.ts';

const CHUNKING = keywords([], 'CHUNKING');

const ENDINGS: readonly (readonly [does: string, fail: Failing])[] = [
  ['closes the connection', (at) => at.write(CLOSE)],
  ['resets the connection', (at) => at.write(RESET)],
  ['drops the connection without close_notify', (at) => at.destroy()],
];

const atPhases = (phases: readonly Phase[]): readonly Attack[] =>
  phases.flatMap(({ when, script, ...phase }) =>
    ENDINGS.map(([does, fail]): Attack => ({
      ...phase,
      name: `delivers nothing when the upstream ${does} ${when}`,
      script: script(fail),
    })),
  );

/** More than fits into any buffer on the way, so that content is still to come when the upstream leaves. */
const MUCH = `${'x'.repeat(70)}\r\n`.repeat(10_000);

/** Sends a part of the content, and the rest only when the upstream is gone. */
const sendInTwoParts: Send = async (dialog, message, { upstream }) => {
  const { from, to, content } = message;
  for (const line of ['EHLO client.test', `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA']) {
    const reply = await dialog.command(line);
    if (reply.code >= 400) return reply;
  }
  dialog.write(`${content}\r\n${MUCH}`);
  await upstream.idle();
  return dialog.command('the end\r\n.');
};

const inContent = ENDINGS.flatMap(([does, fail]) =>
  [keywords([]), CHUNKING].map((offered): Attack => ({
    name: `reports a loss when the upstream ${does} in the middle of ${offered === CHUNKING ? 'a chunk' : 'DATA'}`,
    script: { keywords: offered, onContent: (_octets, at) => fail(at) },
    reply: '451 4.4.2',
    isAuthenticated: true,
    send: sendInTwoParts,
  })),
);

/** Half a reply, then the end of the connection: what came is no reply. */
const halfReplies = authenticated([
  ...['2', '250', '250 2.0.0 Queued', '250 2.0.0 Queued\r', '250-2.0.0 Queued\r\n'].map((half): Attack => ({
    name: `does not take ${JSON.stringify(half)} for a verdict when the connection ends there`,
    script: {
      verdict: (_message, at) => {
        at.write(half);
        return CLOSE;
      },
    },
    reply: '451 4.4.2',
    isComplete: true,
    logged: 'transaction.unknown',
  })),
  {
    name: 'does not take half a 235 for a successful AUTH',
    script: cutAt('AUTH', '235 2.7.0 Ok'),
    reply: '451 4.4.2',
  },
  {
    name: 'does not take half an EHLO list for the whole',
    script: cutAt('EHLO', '250-upstream.test\r\n250-AUTH PLAIN\r\n'),
    reply: '451 4.4.2',
  },
]);

const halfInClear: readonly Attack[] = [
  { name: 'does not start TLS on half a 220', script: cutAt('STARTTLS', '220'), reply: '451 4.4.2' },
];

const twins: readonly Innocent[] = [
  {
    name: 'delivers when the upstream closes the connection after its verdict',
    script: {
      verdict: (_message, at) => {
        at.write('250 2.0.0 Queued\r\n');
        return CLOSE;
      },
    },
  },
  {
    name: 'delivers when the verdict comes in pieces',
    script: {
      verdict: (_message, at) => {
        at.write('25');
        setTimeout(() => at.write('0-2.0.0 Que'), 20);
        setTimeout(() => at.write('ued\r\n250 2.0.0 as 4711\r\n'), 40);
        return SILENCE;
      },
    },
  },
];

hostileSuite('Truncation before TLS', {
  setting: { scheme: 'smtp' },
  attacks: [...atPhases(PHASES_WITH_STARTTLS), ...halfInClear],
  twins,
});

hostileSuite('Truncation inside TLS', {
  setting: { scheme: 'smtps' },
  attacks: [...atPhases(PHASES_INSIDE_TLS), ...inContent, ...halfReplies],
  twins,
});

function cutAt(verb: string, half: string): Deviation {
  return {
    answer: (line, at) => {
      if (!line.startsWith(verb)) return undefined;
      at.write(half);
      return CLOSE;
    },
  };
}
