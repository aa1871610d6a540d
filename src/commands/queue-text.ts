/**
 * The words of `sealpost queue`.
 */
import { replyText } from '../protocol/reply.ts';
import type { QueuedMessage } from '../spool/spool-store.ts';
import { waitingRecipients, type SpooledRecipient } from '../spool/spooled-message.ts';

/** A line for each, under a line of headings, and one that sums up. @param now milliseconds since 1970 */
export function queueLines(messages: readonly QueuedMessage[], now: number): readonly string[] {
  if (messages.length === 0) return ['The spool is empty.'];
  const octets = messages.reduce((sum, { message }) => sum + message.octets, 0);
  const rows = messages.map((one) => rowOf(one, now));
  const headings = ['ID', 'AGE', 'OCTETS', 'TRIED', 'NEXT', 'FROM', 'TO', 'LAST WORD'];
  return [...aligned([headings, ...rows]), `${messages.length} in all, ${octets} octets.`];
}

function rowOf({ message, isClaimed }: QueuedMessage, now: number): readonly string[] {
  const waiting = waitingRecipients(message);
  const [first] = waiting;
  const more = waiting.length > 1 ? ` and ${waiting.length - 1} more` : '';
  return [
    message.id,
    span(now - message.arrivedAt),
    String(message.octets),
    String(message.attempts),
    isClaimed ? 'now' : span(Math.max(0, message.nextAttemptAt - now)),
    message.sender.path,
    `${first?.argument.path ?? ''}${more}`,
    first === undefined ? '' : replyText(first.lastWord.reply),
  ];
}

/** Everything about one message but its content. */
export function queueDetails({ message, isClaimed }: QueuedMessage): readonly string[] {
  const parameters = message.sender.parameters.map(({ text }) => ` ${text}`).join('');
  return [
    `${message.id}: ${message.kind}, ${message.octets} octets, for the upstream ${message.route ?? 'of SEALPOST_UPSTREAM'}`,
    `from ${message.sender.path}${parameters}`,
    `came ${date(message.arrivedAt)}, is tried until ${date(message.expiresAt)}`,
    `tried ${message.attempts} times; ${isClaimed ? 'is being tried now' : `next at ${date(message.nextAttemptAt)}`}`,
    ...message.recipients.flatMap(recipientLines),
  ];
}

function recipientLines({ argument, state, lastWord, mayHaveIt }: SpooledRecipient): readonly string[] {
  const doubt = mayHaveIt && state !== 'delivered' ? ' (may have it already)' : '';
  const said = `${lastWord.isUpstreams ? 'the upstream said' : 'the reason'}: ${replyText(lastWord.reply)}`;
  return [`${argument.path} ${state}${doubt}`, `    ${said}`];
}

/** For programs: names as in the log, dates in ISO 8601. */
export function queueJson({ message, isClaimed }: QueuedMessage): string {
  const { id, kind, route, octets, attempts } = message;
  return JSON.stringify({
    id,
    kind,
    route: route ?? null,
    sender: message.sender.path,
    recipients: message.recipients.map(({ argument, state, lastWord, mayHaveIt }) => {
      return { recipient: argument.path, state, reply: replyText(lastWord.reply), mayHaveIt };
    }),
    octets,
    attempts,
    isClaimed,
    arrivedAt: date(message.arrivedAt),
    expiresAt: date(message.expiresAt),
    nextAttemptAt: date(message.nextAttemptAt),
  });
}

function date(ms: number): string {
  return new Date(ms).toISOString();
}

/** In the largest unit that leaves a number above one. */
function span(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows.reduce<readonly number[]>(
    (known, row) => row.map((cell, at) => Math.max(known[at] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
