/**
 * What an attempt makes of a spooled message, and what its sender is to hear of it. Pure.
 *
 * Guarantees: a recipient is reported on once for each thing that becomes of it; a report never makes another.
 */
import { replyClass } from '../protocol/reply.ts';
import { hadNoHop, type Attempt } from './attempt.ts';
import { wantsToHear, type Occasion } from './notification.ts';
import { retryAfterMs } from './retry-schedule.ts';
import { waitingRecipients, type SpooledMessage, type SpooledRecipient } from './spooled-message.ts';

/** RFC 3464 §2.3.3 */
export type Action = 'failed' | 'delayed' | 'relayed';

/** One recipient of a report. */
export interface Notice {
  readonly recipient: SpooledRecipient;
  readonly action: Action;
}

export interface Outcome {
  /** As it is now, its last recipients settled or not. */
  readonly message: SpooledMessage;
  readonly isDone: boolean;
  /** What its sender wants to hear. */
  readonly notices: readonly Notice[];
  readonly delivered: readonly SpooledRecipient[];
  readonly failed: readonly SpooledRecipient[];
}

/** Who asked for it hears that it takes time after so long, once. */
const DELAY_MS = 4 * 3_600_000;

/** @param now milliseconds since 1970 */
export function afterAttempt(before: SpooledMessage, attempt: Attempt, now: number): Outcome {
  const isOver = now >= before.expiresAt;
  const pairs = inTurn(before, attempt).map((one) => [one, settled(one, attempt, isOver)] as const);
  const became = (state: SpooledRecipient['state']): readonly SpooledRecipient[] =>
    pairs
      .filter(([old, fresh]) => old.state !== fresh.state && fresh.state === state)
      .map(([, fresh]) => fresh);
  const [delivered, failed] = [became('delivered'), became('failed')];
  const tried = { ...before, recipients: pairs.map(([, fresh]) => fresh) };
  const waiting = waitingRecipients(tried);
  const isDelayDue = !before.isDelayTold && now - before.arrivedAt >= DELAY_MS;
  return {
    message: {
      ...tried,
      nextAttemptAt: nextAttemptAt(before, attempt, now),
      isHopless: hadNoHop(attempt),
      isDelayTold: before.isDelayTold || isDelayDue,
    },
    isDone: waiting.length === 0,
    notices: noticesOf(before, [
      [failed, 'failed', 'FAILURE'],
      [attempt.isReporting ? [] : delivered, 'relayed', 'SUCCESS'],
      [isDelayDue ? waiting : [], 'delayed', 'DELAY'],
    ]),
    delivered,
    failed,
  };
}

type Candidates = readonly [recipients: readonly SpooledRecipient[], action: Action, occasion: Occasion];

function noticesOf({ kind, sender }: SpooledMessage, all: readonly Candidates[]): readonly Notice[] {
  // RFC 5321 §6.1: nobody is told about a message that came from nobody.
  if (kind === 'bounce' || sender.path === '<>') return [];
  return all.flatMap(([recipients, action, occasion]) =>
    recipients
      .filter(({ argument }) => wantsToHear(argument, occasion))
      .map((recipient) => ({ recipient, action })),
  );
}

/**
 * An upstream may take fewer recipients in one message than there are, and put the same ones off each time: who was asked
 * goes behind who was not, and whoever was first goes last.
 */
function inTurn(before: SpooledMessage, { words }: Attempt): readonly SpooledRecipient[] {
  const [first] = waitingRecipients(before);
  const turn = (one: SpooledRecipient): number => (one === first ? 2 : Number(words.has(one)));
  return before.recipients.toSorted((one, other) => turn(one) - turn(other));
}

function settled(recipient: SpooledRecipient, { words }: Attempt, isOver: boolean): SpooledRecipient {
  const word = words.get(recipient);
  if (word === undefined) return recipient;
  const { reply, isUpstreams } = word;
  const known = { ...recipient, lastWord: { reply, isUpstreams } };
  if (replyClass(reply) === 2) return { ...known, state: 'delivered', mayHaveIt: false };
  const mayHaveIt = recipient.mayHaveIt || word.mayHaveIt;
  const isFailed = replyClass(reply) === 5 || isOver;
  return { ...known, state: isFailed ? 'failed' : 'waiting', mayHaveIt };
}

/**
 * Recipients for whom there was no room in this message go in the next one, now: there are fewer of them each time.
 * RFC 5321 §4.5.3.1.10: an upstream says 452 to those beyond what it takes in one.
 */
function nextAttemptAt(before: SpooledMessage, { words }: Attempt, now: number): number {
  const isFewer = [...words.values()].some(({ reply }) => replyClass(reply) !== 4);
  const isCut = waitingRecipients(before).some((one) => (words.get(one)?.reply.code ?? 452) === 452);
  if (isFewer && isCut) return now;
  return Math.min(now + retryAfterMs(before.attempts), Math.max(before.expiresAt, now));
}
