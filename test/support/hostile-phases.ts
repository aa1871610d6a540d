/**
 * Every phase at which an upstream can fail to answer, by silence or by leaving: one table for both.
 */
import type { Attack, Deviation } from './hostile-stage.ts';
import { SILENCE, GOOD_KEYWORDS, type Connection } from './scripted-upstream.ts';

/** What the upstream does instead of an answer: nothing, or an end of the connection. */
export type Failing = (at: Connection) => void;

export interface Phase extends Omit<Attack, 'name' | 'script'> {
  /** Completes "when the upstream … ". */
  readonly when: string;
  readonly script: (fail: Failing) => Deviation;
}

const HANDSHAKE: Pick<Phase, 'reply' | 'insecure'> = {
  reply: '451 4.7.5',
  insecure: ['validation-failure', /^(?:timeout|connection-lost|ECONNRESET)$/],
};

export const PHASES_WITH_STARTTLS: readonly Phase[] = [
  {
    when: 'instead of a greeting',
    script: (fail) => ({ greeting: SILENCE, onConnection: fail }),
    reply: '451 4.4.1',
  },
  { when: 'at EHLO', script: (fail) => from('EHLO', fail, 'clear'), reply: '451 4.4.2' },
  { when: 'at STARTTLS', script: (fail) => from('STARTTLS', fail, 'clear'), reply: '451 4.4.2' },
  {
    ...HANDSHAKE,
    when: 'after the 220 to STARTTLS',
    script: (fail) => ({
      answer: (line, at) => {
        if (line !== 'STARTTLS') return line.startsWith('EHLO') ? undefined : SILENCE;
        at.raw.once('data', () => fail(at));
        return '220 2.0.0 Ready\r\n';
      },
    }),
  },
];

export const PHASES_INSIDE_TLS: readonly Phase[] = [
  {
    ...HANDSHAKE,
    when: 'at the ClientHello',
    script: (fail) => ({
      mode: 'starttls',
      greeting: SILENCE,
      onConnection: (at) => at.raw.once('data', () => fail(at)),
      answer: () => SILENCE,
    }),
  },
  ...[
    {
      when: 'instead of a greeting',
      script: (fail: Failing) => ({ greeting: SILENCE, onSecure: fail }),
      reply: '451 4.4.1',
    },
    ...['EHLO', 'AUTH', 'MAIL', 'RCPT', 'DATA'].map((verb) => ({
      when: `at ${verb}`,
      script: (fail: Failing) => from(verb, fail, 'inside'),
      reply: '451 4.4.2',
    })),
    ...[
      { when: 'after the final dot', offered: GOOD_KEYWORDS },
      { when: 'after BDAT LAST', offered: [...GOOD_KEYWORDS, 'CHUNKING'] },
    ].map(({ when, offered }): Phase => ({
      when,
      script: (fail) => ({
        keywords: offered,
        verdict: (_message, at) => {
          fail(at);
          return SILENCE;
        },
      }),
      reply: '451 4.4.2',
      isComplete: true,
      logged: 'transaction.unknown',
    })),
  ].map((phase): Phase => ({ isAuthenticated: true, ...phase })),
];

/** Fails at this verb, and says nothing to what comes after it. */
function from(verb: string, fail: Failing, where: 'clear' | 'inside'): Deviation {
  const failed = new WeakSet<Connection>();
  return {
    answer: (line, at) => {
      if (failed.has(at)) return SILENCE;
      if (at.secure !== (where === 'inside') || !line.startsWith(verb)) return undefined;
      failed.add(at);
      fail(at);
      return SILENCE;
    },
  };
}
