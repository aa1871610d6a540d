/**
 * The part of a report that programs read: message/delivery-status (RFC 3464), or its form for SMTPUTF8 (RFC 6533).
 */
import { mailDate } from '../protocol/mail-date.ts';
import { enhancedCode, replyClass, type Reply } from '../protocol/reply.ts';
import type { Notice } from './after-attempt.ts';
import { envelopeId, originalRecipient } from './notification.ts';
import type { SpooledMessage } from './spooled-message.ts';

/** Of one line of a reply: RFC 5322 §2.1.1 allows 998 in all. */
const LINE_CHARACTERS = 900;

export function deliveryStatus(
  notices: readonly Notice[],
  message: SpooledMessage,
  hostname: string,
): string {
  const envid = envelopeId(message.sender);
  const common = [
    ...(envid === undefined ? [] : [`Original-Envelope-Id: ${envid}`]),
    `Reporting-MTA: dns; ${hostname}`,
    `Arrival-Date: ${mailDate(new Date(message.arrivedAt))}`,
  ];
  const groups = [common, ...notices.map((notice) => recipientFields(notice, message))];
  return groups.map((fields) => fields.map((field) => `${field}\r\n`).join('')).join('\r\n');
}

function recipientFields({ recipient, action }: Notice, { expiresAt }: SpooledMessage): readonly string[] {
  const { argument, lastWord } = recipient;
  const original = originalRecipient(argument);
  const address = argument.path.slice(1, -1);
  return [
    ...(original === undefined ? [] : [`Original-Recipient: ${original}`]),
    `Final-Recipient: ${argument.isInternational ? 'utf-8' : 'rfc822'}; ${address}`,
    `Action: ${action}`,
    `Status: ${statusOf(action, lastWord.reply)}`,
    `Diagnostic-Code: ${lastWord.isUpstreams ? 'smtp' : 'x-sealpost'}; ${folded(lastWord.reply)}`,
    `Last-Attempt-Date: ${mailDate(new Date())}`,
    ...(action === 'delayed' ? [`Will-Retry-Until: ${mailDate(new Date(expiresAt))}`] : []),
  ];
}

/** RFC 3463; what was given up for its age is 4.4.7, whatever kept it. */
function statusOf(action: Notice['action'], reply: Reply): string {
  if (action === 'failed' && replyClass(reply) === 4) return '4.4.7';
  return enhancedCode(reply) ?? `${replyClass(reply)}.0.0`;
}

/** Upstreams write what they like; here only ASCII may stand. */
function folded({ code, lines }: Reply): string {
  const words = lines.map((line) => line.replaceAll(/[^ -~]/g, '?').slice(0, LINE_CHARACTERS));
  return [`${code} ${words[0] ?? ''}`, ...words.slice(1)].join('\r\n ');
}
