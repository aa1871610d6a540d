/**
 * A report on a spooled message for its sender (RFC 3464), as a message of ours.
 *
 * Guarantees: it comes from nobody (the null reverse-path), says that no person wrote it, and is of the kind that makes no
 * report itself; what was to travel with REQUIRETLS is returned as its header alone, and with REQUIRETLS (RFC 8689 §5).
 */
import { isAscii } from 'node:buffer';
import { randomUUID } from 'node:crypto';

import { RelayError } from '../protocol/failure.ts';
import { mailDate } from '../protocol/mail-date.ts';
import type { Parameter } from '../protocol/path.ts';
import type { Notice } from './after-attempt.ts';
import { deliveryStatus } from './delivery-status.ts';
import type { Draft } from './draft.ts';
import { hasParameter, returnAsked } from './notification.ts';
import { explanation, subjectOf } from './report-words.ts';
import type { Entry } from './spool-store.ts';
import type { SpooledMessage } from './spooled-message.ts';

/** What a report is made from. */
export interface BounceOrder {
  readonly message: SpooledMessage;
  /** At least one. */
  readonly notices: readonly Notice[];
  readonly content: () => AsyncIterable<Buffer>;
  /** Ours. */
  readonly hostname: string;
  /** Of the report. */
  readonly id: string;
  readonly expiryMs: number;
  /** Whether content beyond ASCII is left out. */
  readonly isSevenBit: boolean;
}

/** Who did not ask for all of it gets all of it up to here: an upstream that refused a large one would refuse the report too. */
const WHOLE_OCTETS = 1_048_576;

/** @param draft takes the content of the report */
export async function bounce(order: BounceOrder, draft: Draft): Promise<Entry> {
  const { message, hostname } = order;
  const returned = await Returned.of(order);
  const boundary = `sealpost-${randomUUID()}`;
  const part = (type: string, isEightBit: boolean): string =>
    `\r\n--${boundary}\r\nContent-Type: ${type}\r\n${isEightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : ''}\r\n`;
  const isGlobal = hasParameter(message.sender, 'SMTPUTF8');
  const write = async (text: string): Promise<void> => draft.write([Buffer.from(text)]);
  await write(headerOf(order, boundary));
  await write(part(`text/plain; charset=${isGlobal ? 'utf-8' : 'us-ascii'}`, isGlobal));
  await write(explanation(order.notices, message, hostname));
  await write(part(isGlobal ? 'message/global-delivery-status' : 'message/delivery-status', isGlobal));
  await write(deliveryStatus(order.notices, message, hostname));
  if (returned !== undefined) {
    await write(part(returned.type(isGlobal), returned.isEightBit));
    for await (const piece of returned.octets()) await draft.write([piece]);
  }
  await write(`\r\n--${boundary}--\r\n`);
  return { message: envelopeOf(order, draft.octets, returned?.isEightBit ?? false), content: draft };
}

function headerOf({ message, notices, hostname, id }: BounceOrder, boundary: string): string {
  const now = new Date();
  const fields = [
    `Date: ${mailDate(now)}`,
    `From: Mail relay <mailer-daemon@${hostname}>`,
    `To: ${message.sender.path}`,
    `Subject: ${subjectOf(notices)}`,
    `Message-ID: <${id}.${now.getTime().toString(36)}@${hostname}>`,
    'Auto-Submitted: auto-replied', // RFC 3834 §5
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"`,
    'Content-Transfer-Encoding: 8bit',
  ];
  return `${fields.join('\r\n')}\r\n\r\nThis is a report in several parts (RFC 3464).\r\n`;
}

function envelopeOf(order: BounceOrder, octets: number, isEightBit: boolean): SpooledMessage {
  const { message, id, expiryMs } = order;
  const now = Date.now();
  const declares = (keyword: string): readonly Parameter[] =>
    message.sender.parameters.filter((one) => one.keyword === keyword);
  const recipient = { ...message.sender, parameters: [] };
  const lastWord = { reply: { code: 450, lines: ['4.0.0 Not tried yet.'] }, isUpstreams: false };
  return {
    id,
    kind: 'bounce',
    route: message.route,
    sender: {
      path: '<>',
      parameters: [
        ...declares('REQUIRETLS'),
        ...(recipient.isInternational ? declares('SMTPUTF8') : []),
        ...(isEightBit ? declares('BODY') : []),
      ],
      isInternational: false,
    },
    recipients: [{ argument: recipient, state: 'waiting', lastWord, mayHaveIt: false }],
    octets,
    arrivedAt: now,
    expiresAt: now + expiryMs,
    nextAttemptAt: now,
    attempts: 0,
    isHopless: false,
    isDelayTold: false,
  };
}

/** The part of the message that goes back. */
class Returned {
  readonly isEightBit: boolean;
  readonly octets: () => AsyncIterable<Buffer>;
  readonly #isWhole: boolean;

  private constructor(octets: () => AsyncIterable<Buffer>, isWhole: boolean, isEightBit: boolean) {
    this.octets = octets;
    this.#isWhole = isWhole;
    this.isEightBit = isEightBit;
  }

  /** @returns undefined when there is nothing that could be returned: a report without it is better than none */
  static async of({ message, notices, content, isSevenBit }: BounceOrder): Promise<Returned | undefined> {
    const header = (): AsyncIterable<Buffer> => headerOctets(content());
    try {
      const whole = isReturnedWhole(message, notices)
        ? new Returned(content, true, await isBeyondAscii(content()))
        : undefined;
      if (whole !== undefined && !(isSevenBit && whole.isEightBit)) return whole;
      const part = new Returned(header, false, await isBeyondAscii(header()));
      return isSevenBit && part.isEightBit ? undefined : part;
    } catch (error) {
      if (error instanceof RelayError) return undefined;
      throw error;
    }
  }

  /** RFC 6533 §4 has types of its own for mail with SMTPUTF8. */
  type(isGlobal: boolean): string {
    if (this.#isWhole) return isGlobal ? 'message/global' : 'message/rfc822';
    return isGlobal ? 'message/global-headers' : 'text/rfc822-headers';
  }
}

async function isBeyondAscii(content: AsyncIterable<Buffer>): Promise<boolean> {
  for await (const piece of content) if (!isAscii(piece)) return true;
  return false;
}

/** RFC 3461 §4.3: RET is about failures; other reports return the header. */
function isReturnedWhole({ sender, octets }: SpooledMessage, notices: readonly Notice[]): boolean {
  if (hasParameter(sender, 'REQUIRETLS') || notices.every(({ action }) => action !== 'failed')) return false;
  const asked = returnAsked(sender);
  return asked === undefined ? octets <= WHOLE_OCTETS : asked === 'FULL';
}

/** The octets up to the empty line, which is left out. */
async function* headerOctets(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0);
  for await (const piece of content) {
    held = Buffer.concat([held, piece]);
    const end = held.indexOf('\r\n\r\n');
    if (end >= 0) return yield held.subarray(0, end + 2);
    // The last three octets may be the beginning of the end.
    yield held.subarray(0, -3);
    held = held.subarray(-3);
  }
  yield held;
}
