/**
 * The one sentence on top: whether mail flows, whether every hop is secured, and what to change if not.
 */
import type { Story } from './transactions.ts';
import type { UpstreamView } from './upstreams.ts';

export interface Verdict {
  /** `waiting`: nothing has happened yet. `troubled`: some of the mail does not flow. */
  readonly state: 'flowing' | 'waiting' | 'troubled' | 'stopped';
  readonly sentence: string;
  /** What to change, or what comes next; '' where there is nothing to say. */
  readonly advice: string;
}

/**
 * @param last the transaction whose outcome was told last
 * @param refused the one that was refused last, if that matters still
 */
export function verdictOn(
  upstreams: readonly UpstreamView[],
  last: Story | undefined,
  refused?: Story,
): Verdict {
  const failing = upstreams.filter(({ failure }) => failure !== undefined);
  const [worst] = failing;
  if (worst?.failure !== undefined) {
    const isSome = failing.length < upstreams.length;
    const place = `${worst.host}:${worst.port}`;
    return {
      state: isSome ? 'troubled' : 'stopped',
      sentence: isSome ? `Mail flows, but not by ${place}.` : `No mail can go to ${place}.`,
      advice: worst.failure.sentence,
    };
  }
  if (last === undefined)
    return {
      state: upstreams.length > 0 ? 'flowing' : 'waiting',
      sentence: upstreams.length > 0 ? 'Every hop is secured.' : 'Ready for the first message.',
      advice: upstreams.length > 0 ? 'No message has come yet.' : 'No hop has been needed yet.',
    };
  return ofTraffic(last, refused);
}

function ofTraffic({ outcome = 'delivered', reply = '' }: Story, refused?: Story): Verdict {
  const secured = 'every hop is secured';
  switch (outcome) {
    case 'delivered':
      return {
        state: 'flowing',
        sentence: `Mail is flowing, and ${secured}.`,
        advice: refused?.reply === undefined ? '' : `Refused last: ${refused.reply}`,
      };
    case 'kept':
      return {
        state: 'troubled',
        sentence: 'The last message waits in the spool.',
        advice: `The upstream did not take it: ${reply}`,
      };
    case 'refused':
      return {
        state: 'troubled',
        sentence: `The last message was refused; ${secured}.`,
        advice: `The client was told: ${reply}`,
      };
    case 'unknown':
    case 'abandoned':
      return { state: 'troubled', sentence: `The last message was cut off; ${secured}.`, advice: reply };
  }
}
