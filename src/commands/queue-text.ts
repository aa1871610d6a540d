/**
 * The words of `sealpost queue`.
 */
import { replyText } from '../protocol/reply.ts';
import type { QueuedMessage } from '../spool/spool-store.ts';
import { waitingRecipients, type SpooledRecipient } from '../spool/spooled-message.ts';

type Pages = AsyncIterable<readonly QueuedMessage[]>;

const HEADINGS = ['ID', 'AGE', 'OCTETS', 'TRIED', 'NEXT', 'FROM', 'TO', 'LAST WORD'];

/** A line for each, under a line of headings, and one that sums up; some at a time. @param now milliseconds since 1970 */
export async function* queueTable(pages: Pages, now: number): AsyncGenerator<readonly string[]> {
  const columns = new Columns();
  let [messages, octets] = [0, 0];
  for await (const page of pages) {
    const rows = page.map((one) => rowOf(one, now));
    yield columns.aligned(messages === 0 ? [HEADINGS, ...rows] : rows);
    messages += page.length;
    octets += page.reduce((sum, { message }) => sum + message.octets, 0);
  }
  yield [messages === 0 ? 'The spool is empty.' : `${messages} in all, ${octets} octets.`];
}

/** A line for each. */
export async function* queueObjects(pages: Pages): AsyncGenerator<readonly string[]> {
  for await (const page of pages) yield page.map(queueJson);
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

/** Columns that are as wide as the widest cell that they have had. */
class Columns {
  #widths: readonly number[] = HEADINGS.map(() => 0);

  aligned(rows: readonly (readonly string[])[]): readonly string[] {
    this.#widths = this.#widths.map((known, at) =>
      Math.max(known, ...rows.map((row) => row[at]?.length ?? 0)),
    );
    return rows.map((row) =>
      row
        .map((cell, at) => cell.padEnd(this.#widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}
