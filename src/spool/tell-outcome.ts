/**
 * What the log says of an attempt. Addresses are not among it.
 */
import type { Log } from '../log/log.ts';
import { replyText } from '../protocol/reply.ts';
import type { Action, Outcome } from './after-attempt.ts';
import type { Attempt } from './attempt.ts';
import { waitingRecipients, type SpooledRecipient } from './spooled-message.ts';

/** @param bounce the id of the report on it, if there is one */
export function tellOutcome(log: Log, outcome: Outcome, tried: Attempt, bounce: string | undefined): void {
  const { message, delivered, failed, notices } = outcome;
  const { id: tid, octets, attempts } = message;
  const ids = { tid, hid: tried.hid };
  const ms = Date.now() - message.arrivedAt;
  const waiting = waitingRecipients(message);
  if (delivered.length > 0)
    log.emit('spool.delivered', { ...ids, ...countOf(delivered), octets, attempts, ms });
  if (tried.failure?.kind === 'outcome-unknown')
    log.emit('spool.unknown', { ...ids, reason: tried.failure.reason, octets, ms });
  if (waiting.length > 0) {
    const seconds = Math.max(0, Math.round((message.nextAttemptAt - Date.now()) / 1_000));
    const failure = tried.failure?.kind ?? 'refused';
    log.emit('spool.delayed', { ...ids, failure, ...countOf(waiting), attempts, seconds });
  }
  if (bounce !== undefined) {
    const count = (action: Action): number => notices.filter((one) => one.action === action).length;
    const counts = { failed: count('failed'), delayed: count('delayed'), relayed: count('relayed') };
    log.emit('spool.bounced', { ...ids, bounce, ...counts });
  }
  const untold = failed.filter((one) => notices.every(({ recipient }) => recipient !== one));
  if (untold.length > 0) log.emit('spool.dropped', { ...ids, kind: message.kind, ...countOf(untold) });
}

/** How many, and what was said of the first. */
function countOf(recipients: readonly SpooledRecipient[]): { reply: string; recipients: number } {
  const [first] = recipients;
  return { reply: first === undefined ? '' : replyText(first.lastWord.reply), recipients: recipients.length };
}
