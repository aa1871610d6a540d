/**
 * Puts other addresses into the From fields of a header.
 *
 * Guarantees: pure; every octet outside the replaced addresses is kept: names, comments, encoded words, 8-bit text, folds,
 * order, other fields. Where nothing is to be replaced the octets given are the octets returned.
 *
 * - Several addresses, in groups or not: each is replaced where it stands.
 * - Several From fields, which no RFC allows: each is treated, so that whichever a reader believes is the right one.
 * - A From that has no one reading as an address list: its whole body is replaced; or left, where nothing is rewritten.
 * - A local part without a domain beside whole addresses has none: it is half of a name like `Bell, Ann <ann@x>`.
 * - Sender and the Resent- fields are left alone.
 */
import { AddressSyntaxError, parseMailboxes, type Mailbox } from '../protocol/address-list.ts';
import { headerOf, type Header } from '../protocol/header-fields.ts';
import { isBare } from './address-pattern.ts';

export interface FromEdit {
  /** Gives a bare local part its domain. */
  readonly complete: (address: string) => string;
  /** From a completed address to the one that goes up. */
  readonly rewrite: (address: string) => string;
  /** In place of a From that cannot be read; undefined leaves it. */
  readonly unreadable: string | undefined;
  /** For a message without From; undefined adds none. */
  readonly missing: string | undefined;
  /** Whether a From that was rewritten is kept in Reply-To, if there is none. */
  readonly keepsReplyTo: boolean;
}

export interface EditedHeader {
  readonly isChanged: boolean;
  /** Goes in front of the header. */
  readonly fieldsInFront: string;
  /** The header and what came with its end. */
  readonly octets: Buffer;
}

/** The body of a field, before and after. */
interface EditedBody {
  readonly octets: Buffer;
  /** As it was, but for completed local parts, where an address was rewritten. */
  readonly kept: Buffer | undefined;
}

/** A replacement of a part of a text. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

const LF = 0x0a;
/** Longer than any honest From, and short enough to be read at once; each field counts as this many at least. */
const READABLE_OCTETS = 65_536;
const FIELD_OCTETS = 512;

/** @param octets a header and what came with its end; CRLF is its only line ending */
export function editFrom(octets: Buffer, edit: FromEdit): EditedHeader {
  const header = headerOf(octets);
  const fields = header.fields.filter(({ name }) => name === 'from');
  if (fields.length === 0) {
    const fieldsInFront = edit.missing === undefined ? '' : `From: ${edit.missing}\r\n`;
    return { isChanged: edit.missing !== undefined, fieldsInFront, octets };
  }
  let wantsReplyTo = edit.keepsReplyTo && !hasReplyTo(header);
  const pieces: Buffer[] = [];
  let passed = 0;
  let budget = READABLE_OCTETS;
  for (const { body } of fields) {
    budget -= Math.max(body.length, FIELD_OCTETS);
    const edited = budget >= 0 ? editBody(body, edit) : unreadBody(edit);
    if (edited === undefined) continue;
    const start = body.byteOffset - octets.byteOffset;
    pieces.push(octets.subarray(passed, start), edited.octets);
    passed = start + body.length;
    if (edited.kept === undefined || !wantsReplyTo || body.at(-1) !== LF) continue;
    pieces.push(Buffer.from('Reply-To:'), edited.kept);
    wantsReplyTo = false;
  }
  if (passed === 0) return { isChanged: false, fieldsInFront: '', octets };
  return { isChanged: true, fieldsInFront: '', octets: Buffer.concat([...pieces, octets.subarray(passed)]) };
}

/** @returns undefined when it stays as it is */
function editBody(body: Buffer, edit: FromEdit): EditedBody | undefined {
  const text = textOf(body);
  const mailboxes = readMailboxes(text);
  if (mailboxes === undefined) return unreadBody(edit);
  const completions: Change[] = [];
  const changes: Change[] = [];
  let isRewritten = false;
  for (const mailbox of mailboxes) {
    const address = textOfOctets(mailbox.address);
    const whole = edit.complete(address);
    // The local part stays as it was written.
    const completion = { start: mailbox.end, end: mailbox.end, by: whole.slice(address.length) };
    const rewritten = edit.rewrite(whole);
    completions.push(completion);
    changes.push(rewritten === whole ? completion : { ...mailbox, by: rewritten });
    isRewritten ||= rewritten !== whole;
  }
  const octets = octetsOf(changed(text, changes));
  if (octets.equals(body)) return undefined;
  return { octets, kept: isRewritten ? octetsOf(changed(text, completions)) : undefined };
}

/** Of a field that has no one reading, or is too much to read. */
function unreadBody({ unreadable }: FromEdit): EditedBody | undefined {
  return unreadable === undefined
    ? undefined
    : { octets: Buffer.from(` ${unreadable}\r\n`), kept: undefined };
}

/** @returns undefined unless there is one reading, with an address in it */
function readMailboxes(text: string): readonly Mailbox[] | undefined {
  try {
    const mailboxes = parseMailboxes(text);
    const bare = mailboxes.filter(({ address }) => isBare(address)).length;
    return mailboxes.length === 0 || (bare > 0 && bare < mailboxes.length) ? undefined : mailboxes;
  } catch (error) {
    if (error instanceof AddressSyntaxError) return undefined;
    throw error;
  }
}

function changed(text: string, changes: readonly Change[]): string {
  let passed = 0;
  let result = '';
  for (const { start, end, by } of changes) {
    result += text.slice(passed, start) + asOctets(by);
    passed = end;
  }
  return result + text.slice(passed);
}

/*
 * A field is read with one character for each octet: what is written back is then what came, UTF-8 or not. Octets beyond
 * ASCII are shown as letters, because some of them would else be control characters.
 */

function textOf(octets: Buffer): string {
  return octets.toString('latin1').replace(/[\x80-\xff]/g, (one) => shifted(one, 0x100));
}

function octetsOf(text: string): Buffer {
  return Buffer.from(unshifted(text), 'latin1');
}

/** What the octets say. */
function textOfOctets(text: string): string {
  return octetsOf(text).toString('utf8');
}

function asOctets(text: string): string {
  return textOf(Buffer.from(text));
}

function unshifted(text: string): string {
  return text.replace(/[\u0180-\u01ff]/g, (one) => shifted(one, -0x100));
}

function shifted(character: string, by: number): string {
  return String.fromCharCode(character.charCodeAt(0) + by);
}

function hasReplyTo({ fields }: Header): boolean {
  return fields.some(({ name }) => name === 'reply-to');
}
