/**
 * Who a message is from and for, and the header that goes with that.
 *
 * Recipients are the arguments and, with -t, those of To, Cc and Bcc as well: Postfix adds the two up, where older
 * sendmails took arguments away from the header's recipients; so do we, since what is named twice gets one copy anyway.
 * Where a Resent-To, Resent-Cc or Resent-Bcc field is present, these three count instead (RFC 5322 §3.6.6).
 *
 * Bcc and Resent-Bcc are taken out always, as Postfix does: whoever handed the recipients over as arguments did not
 * mean to show them either. Return-Path belongs to the server that delivers in the end. A message without From gets one.
 *
 * A sender without a domain gets this machine's name. A recipient without one is left to the relay and the upstream.
 */
import { AddressSyntaxError, localPart, parseAddress, parseAddressList } from '../protocol/address-list.ts';
import type { Field, Header } from '../protocol/header-fields.ts';
import { SendmailError, SYSEXITS } from './exit-code.ts';
import type { Options } from './options.ts';
import { fromField } from './from-field.ts';

export interface Envelope {
  /** Without brackets; empty for the null reverse-path. */
  readonly sender: string;
  /** Without brackets, each once. */
  readonly recipients: readonly string[];
}

/** Whose process this is. */
export interface Caller {
  readonly loginName: string;
  readonly hostname: string;
}

const RECIPIENT_FIELDS: readonly string[] = ['to', 'cc', 'bcc'];
const RESENT_FIELDS = RECIPIENT_FIELDS.map((name) => `resent-${name}`);
const REMOVED: readonly string[] = ['bcc', 'resent-bcc', 'return-path'];
const CRLF = Buffer.from('\r\n');

/** @throws {SendmailError} EX_USAGE for what was typed, EX_DATAERR for what the header says */
export function envelopeOf(options: Options, { fields }: Header, caller: Caller): Envelope {
  const named = options.recipients.flatMap((text) => read(text, SYSEXITS.usage, 'a recipient'));
  const written = options.readsHeader ? recipientFieldsOf(fields).flatMap(addressesOf) : [];
  const recipients = [...new Set([...named, ...written])];
  if (recipients.length === 0) {
    const where = options.readsHeader
      ? 'among the arguments nor in To, Cc and Bcc'
      : 'among the arguments; -t takes those of the header';
    throw new SendmailError(SYSEXITS.usage, `no recipient is named ${where}`);
  }
  return { sender: senderOf(options.sender, caller), recipients };
}

/** What goes out in place of the header's fields: what must not be told taken out, From put in front if it is missing. */
export function headerForRelay(
  header: Header,
  fullName: string | undefined,
  sender: string,
  caller: Caller,
): Buffer {
  const { fields, rest } = header;
  const kept = fields.filter(({ name }) => !REMOVED.includes(name)).map(({ octets }) => octets);
  if (!fields.some(({ name }) => name === 'from'))
    kept.unshift(Buffer.from(fromField(fullName, sender, caller.hostname)));
  // A body that begins without an empty line would be taken for more of the header.
  if (rest.length > 0 && !rest.subarray(0, 2).equals(CRLF)) kept.push(CRLF);
  return Buffer.concat([...kept, rest]);
}

function recipientFieldsOf(fields: readonly Field[]): readonly Field[] {
  const resent = fields.filter(({ name }) => RESENT_FIELDS.includes(name));
  return resent.length > 0 ? resent : fields.filter(({ name }) => RECIPIENT_FIELDS.includes(name));
}

function addressesOf({ name, body }: Field): readonly string[] {
  return read(body.toString('utf8'), SYSEXITS.dataError, `the field ${name}`);
}

function senderOf(given: string | undefined, { loginName, hostname }: Caller): string {
  if (given === undefined) return `${localPart(loginName)}@${hostname}`;
  if (/^\s*(?:<\s*>)?\s*$/.test(given)) return '';
  try {
    const address = parseAddress(given);
    return address.includes('@') ? address : `${address}@${hostname}`;
  } catch (error) {
    throw translated(error, SYSEXITS.usage, 'the sender');
  }
}

function read(text: string, exitCode: 64 | 65, what: string): readonly string[] {
  try {
    return parseAddressList(text);
  } catch (error) {
    throw translated(error, exitCode, what);
  }
}

function translated(error: unknown, exitCode: 64 | 65, what: string): unknown {
  if (!(error instanceof AddressSyntaxError)) return error;
  return new SendmailError(exitCode, `${what} cannot be read: ${error.message}`, { cause: error });
}
