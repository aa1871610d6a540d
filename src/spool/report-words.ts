/**
 * The part of a report that people read.
 */
import { mailDate } from '../protocol/mail-date.ts';
import { replyClass, replyText } from '../protocol/reply.ts';
import type { Action, Notice } from './after-attempt.ts';
import type { SpooledMessage } from './spooled-message.ts';

const SUBJECTS: readonly (readonly [Action, string])[] = [
  ['failed', 'Your message was not delivered'],
  ['delayed', 'Your message is not delivered yet'],
  ['relayed', 'Your message was passed on'],
];

/** The worst news comes first. */
export function subjectOf(notices: readonly Notice[]): string {
  const found = SUBJECTS.find(([action]) => notices.some((one) => one.action === action));
  return found?.[1] ?? 'Report on your message';
}

export function explanation(notices: readonly Notice[], message: SpooledMessage, hostname: string): string {
  const came = mailDate(new Date(message.arrivedAt));
  const head = `This is the mail relay at ${hostname}. It took your message on\r\n${came} and kept it as ${message.id}.\r\n`;
  const until = mailDate(new Date(message.expiresAt));
  return (
    head +
    paragraph('It could not be delivered to these, and is not tried again:', only(notices, 'failed')) +
    paragraph(`It is not delivered to these yet, and is tried until\r\n${until}:`, only(notices, 'delayed')) +
    paragraph('It was passed on to a server that will not report on these:', only(notices, 'relayed'))
  );
}

function only(notices: readonly Notice[], action: Action): readonly Notice[] {
  return notices.filter((one) => one.action === action);
}

function paragraph(sentence: string, notices: readonly Notice[]): string {
  if (notices.length === 0) return '';
  return `\r\n${sentence}\r\n${notices.map((notice) => `\r\n${entry(notice)}`).join('')}`;
}

function entry({ recipient, action }: Notice): string {
  const { argument, lastWord, mayHaveIt } = recipient;
  const said = replyText(lastWord.reply).slice(0, 900);
  const words = argument.isInternational ? said : said.replaceAll(/[^ -~]/g, '?');
  const isTooOld = action === 'failed' && replyClass(lastWord.reply) === 4;
  return [
    argument.path,
    `    ${lastWord.isUpstreams ? 'The server said' : 'The reason'}: ${words}`,
    ...(isTooOld ? ['    It was tried until its time was over.'] : []),
    ...(mayHaveIt ? ['    A connection was lost at its end: it may have been delivered all the same.'] : []),
    '',
  ].join('\r\n');
}
