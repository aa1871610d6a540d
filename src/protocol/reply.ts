/**
 * SMTP replies (RFC 5321 §4.2) and the enhanced status codes in their text (RFC 3463).
 *
 * Guarantees: a reply of our own pairs basic and enhanced code of the same class, by type.
 * Does not: decide which reply answers what (relay/).
 */

/** A whole reply. The enhanced code, where there is one, stands at the head of each line as received. */
export interface Reply {
  /** 200–599 */
  readonly code: number;
  /** At least one; without code, separator and CRLF; printable. */
  readonly lines: readonly string[];
}

type Success = 220 | 221 | 235 | 250 | 251 | 252;
type Transient = 421 | 450 | 451 | 452 | 454;
type Permanent = 500 | 501 | 502 | 503 | 504 | 530 | 535 | 538 | 550 | 552 | 553 | 554 | 555;

/** Basic and enhanced code, chosen together so that they cannot disagree. */
export type Status =
  | readonly [Success, `2.${number}.${number}`]
  | readonly [Transient, `4.${number}.${number}`]
  | readonly [Permanent, `5.${number}.${number}`];

/** A reply of our own: one line, the enhanced code at its head. */
export function ownReply(status: Status, text: string): Reply {
  return { code: status[0], lines: [`${status[1]} ${text}`] };
}

/** First digit of the code: what a reply means whatever its details (RFC 5321 §4.2.1). */
export function replyClass(reply: Reply): number {
  return Math.floor(reply.code / 100);
}

/** 250 to 259: the mail command was carried out (250, 251 forwarded, 252 not verified). */
export function isMailAccepted(reply: Reply): boolean {
  return Math.floor(reply.code / 10) === 25;
}

/** 4xx or 5xx. */
export function isRefusal(reply: Reply): boolean {
  return reply.code >= 400;
}

const ENHANCED = /^([245])\.\d{1,3}\.\d{1,3}(?: |$)/;

/** The enhanced code of the first line, if it has one of the reply's class. */
export function enhancedCode(reply: Reply): string | undefined {
  const found = ENHANCED.exec(reply.lines[0] ?? '');
  return found !== null && Number(found[1]) === replyClass(reply) ? found[0].trimEnd() : undefined;
}

/**
 * The same reply, fit to be passed on: an enhanced code of another class than the basic code is dropped from its line
 * (RFC 3463 §2: a client would not know which to believe), none is invented.
 */
export function withConsistentCodes(reply: Reply): Reply {
  const lines = reply.lines.map((line) => {
    const found = ENHANCED.exec(line);
    return found === null || Number(found[1]) === replyClass(reply) ? line : line.slice(found[0].length);
  });
  return { code: reply.code, lines };
}

/** The reply on one line, for a log or inside another sentence. */
export function replyText(reply: Reply): string {
  return `${reply.code} ${reply.lines.join(' / ')}`;
}
